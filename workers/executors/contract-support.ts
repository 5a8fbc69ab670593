/** Runs attempts for the contract suite and collects what they report. */
import type { FileSetStore } from "./file-set.ts";
import type {
  Executor,
  InlineFile,
  LogStream,
  Outcome,
  SecretResolver,
  StopReason,
  Work,
} from "./port.ts";

/** A blob store of these contents. */
export function blobsOf(contents: Readonly<Record<string, Uint8Array>>): FileSetStore {
  return {
    get: async (key) => {
      const content = contents[key];
      return content === undefined ? null : new Response(Uint8Array.from(content));
    },
  };
}

/** What an executor under test is given. */
export interface ContractDeps {
  readonly secrets: SecretResolver;
  readonly blobs: FileSetStore;
}

export interface AttemptResult {
  readonly outcome: Outcome;
  readonly stdout: string;
  readonly stderr: string;
  readonly log: readonly (readonly [LogStream, string])[];
  readonly artifacts: ReadonlyMap<string, Uint8Array>;
}

export interface RunningAttempt {
  readonly ended: Promise<AttemptResult>;
  hasEnded(): boolean;
  /** Resolves once stdout contains `text`; rejects when the attempt ends without it. */
  logged(text: string): Promise<void>;
  abort(reason: StopReason): void;
}

const DEFAULTS: Work = {
  task_type: "local",
  command: null,
  script: null,
  language: "bash",
  inputs: null,
  environment: {},
  secrets: [],
  files: { kind: "inline", entries: {} },
  mounts: [],
  working_directory: null,
  network: { allow: [] },
  artifacts: [],
  isolation: "shared",
  outputs: null,
  image: null,
  template: null,
};
const TIME_LIMIT_MS = 60_000;

export const text = (content: string): InlineFile => ({ content, encoding: "utf8" });

/** A task's files. */
export const inline = (entries: Record<string, InlineFile>) =>
  ({ files: { kind: "inline", entries } }) as const;

export function startAttempt(
  makeExecutor: (deps: ContractDeps) => Executor,
  work: Partial<Work>,
  deps: Partial<ContractDeps>,
): RunningAttempt {
  const executor = makeExecutor({
    secrets: { resolve: async () => new Map() },
    blobs: { get: async () => null },
    ...deps,
  });
  const controller = new AbortController();
  const output = { stdout: "", stderr: "" };
  const log: [LogStream, string][] = [];
  const artifacts = new Map<string, Uint8Array>();
  const waiting = new Set<() => void>();
  let hasEnded = false;
  const execute = async (): Promise<AttemptResult> => {
    const outcome = await executor.run(
      {
        ref: { resource_id: "contract-task", run: 1, step: "main", attempt: 1, epoch: 1 },
        project_id: "contract",
        work: { ...DEFAULTS, ...work },
        deadline_at: Date.now() + TIME_LIMIT_MS,
        timeout_ms: TIME_LIMIT_MS,
      },
      {
        log: (stream, text) => {
          output[stream] += text;
          log.push([stream, text]);
          for (const check of waiting) check();
        },
        artifact: async (path, body) => void artifacts.set(path, body),
      },
      controller.signal,
    );
    hasEnded = true;
    for (const check of waiting) check();
    return { outcome, ...output, log, artifacts };
  };
  return {
    ended: execute(),
    hasEnded: () => hasEnded,
    logged: (text) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if (output.stdout.includes(text)) resolve();
          else if (hasEnded) reject(new Error(`ended without writing ${JSON.stringify(text)}`));
          else return;
          waiting.delete(check);
        };
        waiting.add(check);
        check();
      }),
    abort: (reason) => controller.abort(reason),
  };
}
