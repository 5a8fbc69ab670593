/** From an outcome to what IDEALZR is told. */
import { describe, expect, it } from "vitest";
import { evidenceSchema } from "./evidence.ts";
import { keyOf, type Subject, toEvidence, valueAt } from "./mapping.ts";

const URL = "https://pipelzr.example.com/";

function subject(evidence: object | null, more: Partial<Subject> = {}): Subject {
  return {
    ...{ kind: "pipeline", id: "p1", name: "train", project_id: "shop", run: 2 },
    ...{ outcome: "completed", error: null, duration_ms: 3_210 },
    result: { score: 0.93, runs: [{ seconds: 4 }], label: "good" },
    evidence: evidence === null ? null : evidenceSchema.parse(evidence),
    ...more,
  };
}

describe("evidence", () => {
  it("of a completed run supports its hypothesis unless the definition says otherwise", () => {
    expect(toEvidence(subject({ hypothesis_id: "h1" }), "completed", URL)).toEqual({
      title: 'The pipeline "train" completed',
      description: 'Run 2 of the pipeline "train" completed after 3.2 s.',
      hypothesis_id: "h1",
      project_id: "shop",
      evidence_type: "experiment",
      strength: "moderate",
      supports_hypothesis: true,
      confidence_impact: 0.1,
      source: "pipelzr",
      source_url: "https://pipelzr.example.com/api/v1/pipelines/p1/runs/2",
      data_value: null,
      data_context: null,
      submitted_by: "pipelzr",
      tags: ["pipelzr", "pipelzr:p1:2"],
      extra_data: {
        ...{ service: "pipelzr", kind: "pipeline", id: "p1", run: 2, outcome: "completed" },
        ...{ idea_id: null, key: "pipelzr:p1:2" },
      },
    });
  });

  it("of a failed one speaks against it, and a cancelled one says nothing", () => {
    const failed = subject({ hypothesis_id: "h1" }, { error: "It broke.", duration_ms: null });
    expect(toEvidence(failed, "failed", URL)).toMatchObject({
      ...{ supports_hypothesis: false, confidence_impact: -0.1 },
      description: 'Run 2 of the pipeline "train" failed: It broke.',
    });
    expect(toEvidence(failed, "cancelled", URL)).toBe(null);
  });

  it("is what the definition says of the outcome", () => {
    const on = {
      completed: {
        ...{ evidence_type: "data", strength: "strong", supports_hypothesis: false },
        ...{ confidence_impact: 0.3, description: "Too good.", tags: ["ml"], data_value: "score" },
      },
      failed: null,
      cancelled: {},
    };
    const said = subject({ idea_id: "i1", title: "Training", on }, { kind: "task", id: "t1" });
    expect(toEvidence(said, "completed", URL)).toMatchObject({
      ...{ title: "Training", evidence_type: "data", strength: "strong", data_value: 0.93 },
      ...{ supports_hypothesis: false, confidence_impact: 0.3, hypothesis_id: null },
      ...{ description: "Too good.", data_context: "score" },
      ...{ source_url: "https://pipelzr.example.com/api/v1/tasks/t1" },
      tags: ["pipelzr", "pipelzr:t1:2", "idea:i1", "ml"],
    });
    expect(toEvidence(said, "failed", URL)).toBe(null);
    expect(toEvidence(said, "cancelled", URL)).toMatchObject({ supports_hypothesis: false });
  });

  it("is none without a definition", () => {
    expect(toEvidence(subject(null), "completed", URL)).toBe(null);
  });

  it("of an agent has no run", () => {
    const agent = subject({ hypothesis_id: "h" }, { kind: "agent", id: "a1", run: 0 });
    expect(keyOf(agent)).toBe("pipelzr:a1");
    expect(toEvidence(agent, "completed", URL)).toMatchObject({
      ...{ description: 'The agent "train" completed after 3.2 s.' },
      ...{ source_url: "https://pipelzr.example.com/api/v1/agents/a1" },
    });
  });
});

describe("a definition's evidence", () => {
  it.each([
    [{}, "Name the hypothesis_id or the idea_id"],
    [{ hypothesis_id: "" }, "Too small"],
    [{ hypothesis_id: "h", on: { finished: {} } }, "Unrecognized key"],
    [{ hypothesis_id: "h", on: { failed: { strength: "huge" } } }, "Invalid option"],
    [{ hypothesis_id: "h", on: { failed: { confidence_impact: 2 } } }, "Too big"],
    [{ hypothesis_id: "h", on: { completed: { data_value: "a b" } } }, "Give a path"],
  ])("%j is refused", (value, message) => {
    expect(evidenceSchema.safeParse(value).error?.message).toContain(message);
  });

  it("is the same when what was made of it is read again", () => {
    const made = evidenceSchema.parse({ hypothesis_id: "h", on: { failed: null } });
    expect(evidenceSchema.parse(made)).toEqual(made);
  });
});

it("finds values of results by path", () => {
  const { result } = subject(null);
  expect(valueAt(result, "runs[0].seconds")).toBe(4);
  expect(valueAt([[7]], "[0][0]")).toBe(7);
  for (const path of ["runs.seconds", "none", "score.x", "toString", "runs[9].seconds"]) {
    expect(valueAt(result, path)).toBe(undefined);
  }
});
