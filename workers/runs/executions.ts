/**
 * Tells codebases what executions made of their files: which of them code that ran was started with,
 * and which a failure pointed to. Told after the attempt has ended, again until it was heard.
 */
import type { Outcome, Work } from "../executors/port.ts";
import { logWarning } from "../http/log.ts";
import type { LogEntry, Ticket } from "./attempts.ts";
import type { CodebasePorts, ExecutionReport, MountedCodebase } from "./codebases.ts";
import { candidatesOf, findMentions, type Location, locationsOf } from "./locations.ts";
import { readTail } from "./logs.ts";
import { namedPaths } from "./named-paths.ts";
import { storedRecord } from "./record.ts";
import type { RunHost } from "./run-host.ts";
import { nameOf } from "./state.ts";
import type { RunStore } from "./store.ts";

/** The end of an attempt does not wait for its places longer than this. */
const LOCATE_MS = 2_000;
const REPORTS_PER_TURN = 20;
/** What could not be told for so long is not told. */
const KEPT_MS = 24 * 3_600_000;

export interface Examined {
  readonly locations: readonly Location[];
  readonly report: ExecutionReport;
}

export class Executions {
  readonly #host: RunHost;
  readonly #store: RunStore;
  readonly #codebases: CodebasePorts;

  constructor(host: RunHost, store: RunStore, codebases: CodebasePorts) {
    this.#host = host;
    this.#store = store;
    this.#codebases = codebases;
  }

  /** What an attempt that has ended has to do with the codebase that it mounted. Never rejects. */
  async examine(
    { live, step, epoch }: Ticket,
    { work, codebase }: { readonly work: Work; readonly codebase: MountedCodebase },
    outcome: Exclude<Outcome, { status: "cancelled" }>,
    entries: readonly LogEntry[],
  ): Promise<Examined> {
    const { resource, run } = live;
    const stand = { path: codebase.path, working_directory: work.working_directory };
    const name = nameOf(live.plan, live.state, step);
    const ran = namedPaths(work.command ?? work.script ?? "").map((path) =>
      candidatesOf(path, stand),
    );
    const report: ExecutionReport = {
      project_id: resource.project_id,
      codebase_id: codebase.codebase_id,
      root: codebase.root,
      folder: codebase.folder,
      snapshot: codebase.snapshot,
      by: {
        id: resource.id,
        name: this.#host.kind(resource).nameOf(resource),
        run,
        step: name,
        epoch,
      },
      at: Date.now(),
      ran,
      failed: [],
    };
    if (outcome.status === "completed") return { locations: [], report };
    const record = storedRecord(this.#store, resource.id, run);
    const tails = ["stderr", "stdout"].map(
      (stream) => readTail(record, stream, { step: name, epoch })?.text ?? "",
    );
    const pending = entries.map(({ text }) => text).join("");
    const mentions = findMentions([...tails, pending, outcome.message].join("\n"));
    const named = mentions.map(({ path }) => candidatesOf(path, stand));
    const located = await this.#locate(codebase, [...new Set(named.flat())]);
    const known = located ?? {};
    const locations = locationsOf(
      mentions,
      stand,
      known,
      (path, line) => placeOf(codebase, path, line),
      codebase.snapshot,
    );
    // What could not be asked now is left to the codebase.
    const isKnown = (path: string) => located === null || Object.hasOwn(known, path);
    const failed = named
      .map((candidates) => candidates.filter(isKnown))
      .filter((candidates) => candidates.length > 0);
    return { locations, report: { ...report, failed } };
  }

  /** Notes what is to be told; to be called inside a commit. */
  note(report: ExecutionReport): void {
    if (report.ran.length === 0 && report.failed.length === 0) return;
    this.#store.executions.add(report);
    this.#host.afterCommit(() => {
      // What fails here is told by the alarm.
      this.tellAll().catch((error: unknown) => logWarning("executions_not_told", error, {}));
    });
  }

  /** Tells what was not told yet; resolves to whether nothing is left. */
  async tellAll(): Promise<boolean> {
    for (const { key, report } of this.#store.executions.oldest(REPORTS_PER_TURN)) {
      try {
        await this.#codebases.executed(report.project_id, report);
      } catch (error) {
        logWarning("execution_not_told", error, { codebase_id: report.codebase_id });
        if (Date.now() - report.at < KEPT_MS) return false;
      }
      this.#store.executions.remove(key);
    }
    return this.#store.executions.oldest(1).length === 0;
  }

  /** Null when the codebase does not answer. */
  async #locate(
    codebase: MountedCodebase,
    candidates: readonly string[],
  ): Promise<Readonly<Record<string, string>> | null> {
    if (candidates.length === 0) return {};
    const late = scheduler.wait(LOCATE_MS).then(() => null);
    try {
      return await Promise.race([this.#codebases.locate(codebase, candidates), late]);
    } catch (error) {
      logWarning("locations_not_found", error, { codebase_id: codebase.codebase_id });
      return null;
    }
  }
}

/** Paths of trees are those of the mounted folder; people know those of the codebase. */
function placeOf({ codebase_id, folder, snapshot }: MountedCodebase, path: string, line: number) {
  const whole = folder === "" ? path : `${folder}/${path}`;
  const file = whole.split("/").map(encodeURIComponent).join("/");
  const url = `/api/v1/codebases/${codebase_id}/files/${file}?snapshot=${snapshot}#L${line}`;
  return { path: whole, url };
}
