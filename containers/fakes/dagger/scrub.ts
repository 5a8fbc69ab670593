/** Replaces secrets in a stream of bytes, wherever chunks are cut, and lets the rest pass at once. */

const REPLACEMENT = "***";

export class Scrubber {
  /** Longest first, so that of two secrets at one place the longer one goes. */
  readonly #secrets: readonly string[];
  readonly #initials: ReadonlySet<string>;
  #held = "";

  constructor(secrets: readonly Buffer[]) {
    const texts = secrets.map((secret) => secret.toString("latin1"));
    const all = new Set([...texts, ...texts.map((text) => text.trim())].filter(Boolean));
    this.#secrets = [...all].sort((a, b) => b.length - a.length);
    this.#initials = new Set(this.#secrets.map((secret) => secret.charAt(0)));
  }

  push(chunk: Buffer): Buffer {
    if (this.#secrets.length === 0) return chunk;
    return this.#scan(this.#held + chunk.toString("latin1"), false);
  }

  /** What was held back as a possible beginning of a secret. */
  flush(): Buffer {
    return this.#scan(this.#held, true);
  }

  /** One byte is one character of latin1, which makes text functions work on bytes. */
  #scan(text: string, final: boolean): Buffer {
    let passed = "";
    let from = 0;
    let at = 0;
    this.#held = "";
    while (at < text.length) {
      if (!this.#initials.has(text.charAt(at))) {
        at += 1;
        continue;
      }
      const rest = text.length - at;
      const candidate = this.#secrets.find((secret) =>
        secret.length <= rest
          ? text.startsWith(secret, at)
          : !final && secret.startsWith(text.slice(at)),
      );
      if (candidate === undefined) at += 1;
      else if (candidate.length > rest) break;
      else {
        passed += text.slice(from, at) + REPLACEMENT;
        at += candidate.length;
        from = at;
      }
    }
    this.#held = text.slice(at);
    return Buffer.from(passed + text.slice(from, at), "latin1");
  }
}
