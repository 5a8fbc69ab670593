/** Tells which files cannot match, by texts that every match has. Each content is looked at once. */
import type { Check } from "../../query/checks.ts";
import type { Matcher } from "../../query/regex.ts";
import type { Blob, BlobStore } from "../storage/blobs.ts";

type TextCheck = Check & { readonly kind: "text" };

interface Necessary {
  readonly check: TextCheck;
  /** Whether a content has it, by the id of its blob. */
  readonly known: Map<number, boolean>;
}

export class RuledOut {
  readonly #blobs: BlobStore;
  readonly #necessary: readonly Necessary[];

  constructor(check: Check, blobs: BlobStore) {
    this.#blobs = blobs;
    this.#necessary = [...necessaryTexts(check)].map((text) => ({
      ...{ check: text, known: new Map<number, boolean>() },
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

  #isIn(blob: Blob, { check: { matcher }, known }: Necessary): boolean {
    let isThere = known.get(blob.id);
    if (isThere === undefined) {
      isThere = this.#mayMatch(blob, matcher);
      known.set(blob.id, isThere);
    }
    return isThere;
  }

  /** To decode what does not match would take longer than all else. */
  #mayMatch(blob: Blob, matcher: Matcher): boolean {
    const content = this.#blobs.utf8(blob);
    if (content?.isAscii === true) return matcher.test(content.bytes);
    if (content !== null && matcher.testBytes !== null) return matcher.testBytes(content.bytes);
    return matcher.test(this.#blobs.text(blob) ?? "");
  }
}

function* necessaryTexts(check: Check): Generator<TextCheck> {
  if (check.kind === "text") yield check;
  else if (check.kind === "and") for (const each of check.operands) yield* necessaryTexts(each);
}
