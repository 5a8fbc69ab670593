import { describe, expect, it } from "vitest";
import { inspection, ran } from "../runs/inspection-fixture.ts";
import type { Resource, RunSummary } from "../runs/store-types.ts";
import { definitionSchema } from "./definition-schema.ts";
import { writeDocument } from "./document.ts";
import { pipelineSchema } from "./schemas.ts";
import { toPipeline } from "./view.ts";

const definition = definitionSchema.parse({
  name: "p",
  labels: { team: "alpha" },
  tasks: [
    { name: "a", command: "true" },
    { name: "b", command: "true" },
  ],
});
const kept = {
  set: { kind: "stored" as const, key: "k", bytes: 70_000 },
  entries: [{ path: "big.txt", bytes: 69_000 }],
};
const document = writeDocument({
  definition,
  files: { b: kept },
  created_by: "user:u",
  triggered_by: "ci",
});
const { resource: base, summary } = inspection({ steps: [ran("a", [], 1_000, 3_000)] });
const resource: Resource = { ...base, document };
const counts = { ...summary.counts, completed: 1, skipped: 1, failed: 1 };
const run: RunSummary = {
  ...summary,
  status: "failed",
  counts,
  started_at: 1_000,
  completed_at: 3_500,
  error: { code: "exit_nonzero", message: "The command exited with 3." },
  failed_steps: ["b"],
};
const show = (shown: RunSummary | null) => {
  const snapshot = {
    resource,
    run: shown,
    result: null,
    stdout: null,
    stderr: null,
    artifacts: [],
  };
  return toPipeline(snapshot, null);
};

describe("a pipeline on the wire", () => {
  it("is a draft before its first run, with the steps that it will have", () => {
    const draft = show(null);
    expect(pipelineSchema.parse(draft)).toMatchObject({
      state: "draft",
      total_tasks: 2,
      progress_percent: 0,
      newest_run: null,
      triggered_by: "ci",
      created_by: "user:u",
    });
  });

  it("has the state, the counts and the error of its newest run; an ended run is at 100", () => {
    expect(pipelineSchema.parse(show(run))).toMatchObject({
      state: "failed",
      progress_percent: 100,
      total_tasks: 3,
      completed_tasks: 1,
      failed_tasks: 1,
      skipped_tasks: 1,
      failed_steps: ["b"],
      error: "The command exited with 3.",
      error_code: "exit_nonzero",
      duration_ms: 2_500,
      newest_run: { run: 2, state: "failed", duration_ms: 2_500 },
    });
  });

  it("is not at 100 while a step is open", () => {
    const open = { ...counts, pending: 2_000, completed: 999_999 };
    expect(show({ ...run, counts: open }).progress_percent).toBe(99.8);
  });

  it("lists stored files in the place of their content", () => {
    expect(show(null).definition.tasks).toEqual([
      { name: "a", command: "true" },
      { name: "b", command: "true", files: { "big.txt": { bytes: 69_000 } } },
    ]);
  });
});
