/** Tells which files cannot match, by texts that every match has. Each content is looked at once. */
import { isAscii } from "../../query/ascii.ts";
import type { Check } from "../../query/checks.ts";
import type { Blob, BlobStore } from "../storage/blobs.ts";

type TextCheck = Check & { readonly kind: "text" };

interface Necessary {
  readonly check: TextCheck;
  /** What it looks for, where bytes tell whether that is there. */
  readonly ascii: string | null;
  /** Whether a content has it, by the id of its blob. */
  readonly known: Map<number, boolean>;
}

export class RuledOut {
  readonly #blobs: BlobStore;
  readonly #necessary: readonly Necessary[];

  constructor(check: Check, blobs: BlobStore) {
    this.#blobs = blobs;
    this.#necessary = [...necessaryTexts(check)].map((text) => ({
      ...{ check: text, ascii: asciiOf(text), known: new Map<number, boolean>() },
    }));
  }

  /** False for a file that may match. */
  has(path: string, blob: Blob): boolean {
    return this.#necessary.some(
      (necessary) =>
        !(necessary.check.scope === "either" && necessary.check.path.test(path)) &&
        !this.#isIn(blob, necessary),
    );
  }

  #isIn(blob: Blob, { check, ascii, known }: Necessary): boolean {
    let isThere = known.get(blob.id);
    if (isThere === undefined) {
      isThere =
        ascii === null
          ? check.matcher.test(this.#blobs.text(blob) ?? "")
          : this.#blobs.includes(blob, ascii);
      known.set(blob.id, isThere);
    }
    return isThere;
  }
}

function* necessaryTexts(check: Check): Generator<TextCheck> {
  if (check.kind === "text") yield check;
  else if (check.kind === "and") for (const each of check.operands) yield* necessaryTexts(each);
}

function asciiOf({ matcher: { pattern, caseSensitive } }: TextCheck): string | null {
  return pattern.kind === "literal" && caseSensitive && isAscii(pattern.text) ? pattern.text : null;
}
