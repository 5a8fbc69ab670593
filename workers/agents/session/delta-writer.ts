/**
 * Packs what a model writes into rows: the first piece at once, then what has come since the row
 * before is on the disk, 10 ms later at the earliest. So a piece waits 10 ms at most while the disk
 * keeps up, and rows grow when it does not.
 */
const PACK_MS = 10;
/** Far below what a row holds. */
const MAX_CHARS = 400_000;

export interface Delta {
  readonly part: "text" | "reasoning";
  /** Characters of the part that came before. */
  readonly offset: number;
  readonly text: string;
}

export class DeltaWriter {
  readonly #write: (deltas: readonly Delta[]) => void;
  readonly #settled: () => Promise<void>;
  readonly #offsets = { text: 0, reasoning: 0 };
  #pending: Delta[] = [];
  #isBusy = false;
  #isClosed = false;

  /** `settled` resolves when what was written is on the disk. */
  constructor(write: (deltas: readonly Delta[]) => void, settled: () => Promise<void>) {
    this.#write = write;
    this.#settled = settled;
  }

  add(part: Delta["part"], text: string): void {
    const offset = this.#offsets[part];
    this.#offsets[part] += text.length;
    const last = this.#pending.at(-1);
    if (last?.part === part && last.text.length + text.length <= MAX_CHARS) {
      this.#pending[this.#pending.length - 1] = { ...last, text: last.text + text };
    } else this.#pending.push({ part, offset, text });
    if (!this.#isBusy) void this.#pump();
  }

  /** What is not written yet will not be. */
  close(): void {
    this.#isClosed = true;
    this.#pending = [];
  }

  async #pump(): Promise<void> {
    this.#isBusy = true;
    while (this.#pending.length > 0 && !this.#isClosed) {
      const deltas = this.#pending;
      this.#pending = [];
      this.#write(deltas);
      // A disk that fails resets the object.
      await Promise.all([this.#settled().catch(() => undefined), scheduler.wait(PACK_MS)]);
    }
    this.#isBusy = false;
  }
}
