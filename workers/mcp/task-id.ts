/** What the Tasks extension calls a task: a run of something that a tool began. Pure. */

export const LONG_RUN_KINDS = ["invocation", "task", "pipeline"] as const;
export type LongRunKind = (typeof LONG_RUN_KINDS)[number];

export interface LongRunRef {
  readonly kind: LongRunKind;
  /** Of the invocation, task or pipeline. */
  readonly id: string;
  readonly run: number;
}

const PATTERN = /^([a-z]+):([\w-]{1,100}):([1-9]\d{0,8})$/;

/** It tells all that is needed to find the run again: nothing is kept for it. */
export function writeTaskId({ kind, id, run }: LongRunRef): string {
  return `${kind}:${id}:${run}`;
}

/** Null for what `writeTaskId` has not written. */
export function readTaskId(text: string): LongRunRef | null {
  const [, named, id, run] = PATTERN.exec(text) ?? [];
  const kind = LONG_RUN_KINDS.find((each) => each === named);
  if (kind === undefined || id === undefined || run === undefined) return null;
  return { kind, id, run: Number(run) };
}
