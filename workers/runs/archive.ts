/**
 * Old runs in the blob store: their events in parts that fit into memory one at a time, and an
 * index with what is asked for most. The object keeps the run's row and the archive's prefix.
 */
import { archivePrefix } from "./blobs.ts";
import { readData } from "./events.ts";
import { boundsOf, copyPieces, type LogQuery, type LogSlice } from "./logs.ts";
import { type LogPiece, storedRecord } from "./record.ts";
import type { RunStore } from "./store.ts";
import type { EventRow, Resource, Snapshot } from "./store-types.ts";
import type { RunPlan } from "./types.ts";
import { type AttemptView, attempts, snapshot } from "./views.ts";

/** A part is closed once it has this many characters; its last event may go beyond. */
const PART_CHARS = 2 * 1024 * 1024;
const EVENTS_PER_PAGE = 1_000;

interface Part {
  readonly key: string;
  readonly last_seq: number;
  /** Bytes of output in the part, by attempt and stream. */
  readonly output: readonly {
    readonly step: string;
    readonly attempt: number;
    readonly stream: string;
    readonly bytes: number;
  }[];
}

export interface ArchiveIndex extends Pick<Snapshot, "stdout" | "stderr" | "artifacts"> {
  readonly attempts: readonly AttemptView[];
  readonly parts: readonly Part[];
}

/** What is left to say of an archive that the blob store has lost. */
const LOST: ArchiveIndex = { stdout: null, stderr: null, artifacts: [], attempts: [], parts: [] };

const encoder = new TextEncoder();

export class Archive {
  readonly #blobs: R2Bucket;
  readonly #store: RunStore;
  readonly #planOf: (resource: Resource, version: number) => RunPlan;

  constructor(
    blobs: R2Bucket,
    store: RunStore,
    planOf: (resource: Resource, version: number) => RunPlan,
  ) {
    this.#blobs = blobs;
    this.#store = store;
    this.#planOf = planOf;
  }

  /** Moves the events of an ended run; a repetition after a crash writes the same blobs again. */
  async move(resource: Resource, runNumber: number): Promise<void> {
    const run = this.#store.runs.get(resource.id, runNumber);
    if (!run) return;
    const plan = this.#planOf(resource, run.version);
    const prefix = archivePrefix(resource, runNumber);
    const record = storedRecord(this.#store, resource.id, runNumber);
    const { stdout, stderr, artifacts } = snapshot(resource, run, plan, record, null);
    const parts = await this.#writeParts(resource.id, runNumber, prefix);
    const views = attempts(runNumber, record);
    const index: ArchiveIndex = { stdout, stderr, artifacts, attempts: views, parts };
    await this.#blobs.put(`${prefix}index.json`, JSON.stringify(index));
    this.#store.upkeep.markArchived(resource.id, runNumber, prefix);
  }

  async index(prefix: string): Promise<ArchiveIndex> {
    const object = await this.#blobs.get(`${prefix}index.json`);
    if (!object) return LOST;
    const index = await object.json<ArchiveIndex>();
    // Archives of earlier versions say nothing of digests, nor of what carried attempts out.
    const artifacts = index.artifacts.map((kept) => ({ ...kept, sha256: kept.sha256 ?? null }));
    const views = index.attempts.map((view) => ({
      ...view,
      executor: view.executor ?? null,
      runner_id: view.runner_id ?? null,
    }));
    return { ...index, artifacts, attempts: views };
  }

  /** Events after `after`, oldest first: those of one part; none are the end. */
  async events(prefix: string, after: number): Promise<EventRow[]> {
    const { parts } = await this.index(prefix);
    const part = parts.find(({ last_seq }) => last_seq > after);
    return part ? (await this.#readPart(part)).filter(({ seq }) => seq > after) : [];
  }

  async log(prefix: string, query: LogQuery): Promise<LogSlice> {
    const { parts } = await this.index(prefix);
    const wanted: Wanted = ({ step, attempt, stream }) =>
      (query.step === null || query.step === step) &&
      (query.attempt === null || query.attempt === attempt) &&
      (query.stream === null || query.stream === stream);
    const sizes = parts.map(({ output }) =>
      output.reduce((sum, part) => sum + (wanted(part) ? part.bytes : 0), 0),
    );
    const total = sizes.reduce((sum, size) => sum + size, 0);
    const { from, to } = boundsOf(query, total);
    const body = new Uint8Array(Math.max(0, to - from));
    let offset = 0;
    for (const [index, part] of parts.entries()) {
      const size = sizes[index] ?? 0;
      if (offset < to && offset + size > from) {
        const events = await this.#readPart(part);
        copyPieces(piecesOf(events, wanted), offset, from, to, body);
      }
      offset += size;
    }
    return { body, from, total };
  }

  async #writeParts(resourceId: string, run: number, prefix: string): Promise<Part[]> {
    const parts: Part[] = [];
    let open = new OpenPart();
    const close = async () => {
      const key = `${prefix}${parts.length}.ndjson`;
      await this.#blobs.put(key, open.text());
      parts.push({ key, last_seq: open.lastSeq, output: open.output() });
      open = new OpenPart();
    };
    for (let after = 0; ; ) {
      const page = this.#store.log.read(resourceId, after, EVENTS_PER_PAGE);
      for (const event of page) {
        after = event.seq;
        if (event.run !== run) continue;
        open.add(event);
        if (open.chars >= PART_CHARS) await close();
      }
      if (page.length === 0) break;
    }
    if (open.chars > 0) await close();
    return parts;
  }

  async #readPart(part: Part): Promise<EventRow[]> {
    const object = await this.#blobs.get(part.key);
    if (!object) return [];
    const lines = (await object.text()).split("\n").filter((line) => line !== "");
    return lines.map((line): EventRow => JSON.parse(line));
  }
}

/** A part that is being filled. */
class OpenPart {
  readonly #lines: string[] = [];
  readonly #output = new Map<
    string,
    { step: string; attempt: number; stream: string; bytes: number }
  >();
  chars = 0;
  lastSeq = 0;

  add(event: EventRow): void {
    const line = JSON.stringify(event);
    this.#lines.push(line);
    this.chars += line.length + 1;
    this.lastSeq = event.seq;
    if (event.type !== "log") return;
    const { step, attempt, stream, text } = readData(event);
    const key = `${String(step)} ${String(attempt)} ${String(stream)}`;
    const known = this.#output.get(key) ?? {
      step: String(step),
      attempt: Number(attempt),
      stream: String(stream),
      bytes: 0,
    };
    known.bytes += encoder.encode(String(text)).byteLength;
    this.#output.set(key, known);
  }

  text(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  output(): Part["output"] {
    return [...this.#output.values()];
  }
}

/** Whether a piece of output is what is asked for. */
type Wanted = (piece: {
  readonly step?: unknown;
  readonly attempt?: unknown;
  readonly stream?: unknown;
}) => boolean;

function piecesOf(events: readonly EventRow[], wanted: Wanted): LogPiece[] {
  return events
    .filter(({ type }) => type === "log")
    .map(readData)
    .filter(wanted)
    .map(({ text }) => {
      const whole = String(text);
      return { bytes: encoder.encode(whole).byteLength, text: () => whole };
    });
}
