/** Names in archives: bytes that are UTF-8 nearly always. */

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export interface DecodedName {
  readonly text: string;
  /** False when the bytes are no UTF-8; each is then shown as the Latin-1 character it would be. */
  readonly isUtf8: boolean;
}

export function decodeName(bytes: Uint8Array): DecodedName {
  try {
    return { text: utf8.decode(bytes), isUtf8: true };
  } catch {
    return { text: Buffer.from(bytes).toString("latin1"), isUtf8: false };
  }
}

/** The bytes a name was decoded from. */
export function encodeName({ text, isUtf8 }: DecodedName): Uint8Array {
  return Uint8Array.from(Buffer.from(text, isUtf8 ? "utf8" : "latin1"));
}
