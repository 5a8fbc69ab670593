/** Tells text from binary content, and decodes it. */

export type TextEncodingName = "utf-8" | "utf-16le" | "utf-16be" | "windows-1252";

export interface DecodedText {
  readonly text: string;
  readonly encoding: TextEncodingName;
}

/** Git looks for a NUL as far as this. */
const SNIFF_BYTES = 8_000;

const decoders = {
  "utf-8": new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }),
  "utf-16le": new TextDecoder("utf-16le", { fatal: true, ignoreBOM: false }),
  "utf-16be": new TextDecoder("utf-16be", { fatal: true, ignoreBOM: false }),
  "windows-1252": new TextDecoder("windows-1252"),
} as const satisfies Record<TextEncodingName, TextDecoder>;

/** The text of a file without its byte order mark; null when it is binary. */
export function decodeText(content: Uint8Array): DecodedText | null {
  const wide = wideEncoding(content);
  if (wide !== null) return decode(content, wide);
  if (content.subarray(0, SNIFF_BYTES).includes(0)) return null;
  return decode(content, "utf-8") ?? decodeLegacy(content);
}

/** UTF-16 by its mark; UTF-32 has the same first bytes and two NULs behind them. */
function wideEncoding(content: Uint8Array): "utf-16le" | "utf-16be" | null {
  const [first, second, third, fourth] = content;
  if (first === 0xfe && second === 0xff) return "utf-16be";
  if (first !== 0xff || second !== 0xfe) return null;
  return third === 0 && fourth === 0 ? null : "utf-16le";
}

function decode(content: Uint8Array, encoding: TextEncodingName): DecodedText | null {
  try {
    return { text: decoders[encoding].decode(content), encoding };
  } catch {
    return null;
  }
}

/** Older sources are in an 8-bit code: text, as long as control characters are no part of it. */
function decodeLegacy(content: Uint8Array): DecodedText | null {
  const head = content.subarray(0, SNIFF_BYTES);
  let high = 0;
  for (const byte of head) {
    if (byte < 0x20 && !(byte >= 0x08 && byte <= 0x0d) && byte !== 0x1b) return null;
    if (byte > 0x7e) high += 1;
  }
  // Compressed data has no NUL at times, and is half high bytes; prose in any 8-bit code is less.
  if (high * 10 > head.byteLength * 4) return null;
  return decode(content, "windows-1252");
}

export interface LineFacts {
  readonly count: number;
  readonly longest: number;
}

/** Counts lines as editors do: a last one without a line feed counts. */
export function lineFacts(text: string): LineFacts {
  let count = 0;
  let longest = 0;
  for (let start = 0; start < text.length; ) {
    const feed = text.indexOf("\n", start);
    const end = feed < 0 ? text.length : feed;
    longest = Math.max(longest, end - start);
    count += 1;
    start = end + 1;
  }
  return { count, longest };
}
