import { describe, expect, it } from "vitest";
import { changesSomething, contentOf, entityOf, MAX_CONTENT_BYTES } from "./audit-record.ts";

const ID = "01a00000-0000-7000-8000-000000000000";
const about = (parts: Partial<Parameters<typeof entityOf>[0]>) =>
  entityOf({ location: null, path: "/tasks", params: {}, answer: {}, ...parts });

describe("what an entry is about", () => {
  it("is what the answer points to", () => {
    const path = "/skills/{skill_id}/invoke";
    const params = { skill_id: "words" };
    expect(about({ location: `/api/v1/invocations/${ID}`, path, params })).toEqual({
      ...{ entity_type: "invocation", entity_id: ID },
    });
    expect(about({ location: `/api/v1/pipelines/${ID}/runs/2` })).toEqual({
      ...{ entity_type: "pipeline", entity_id: ID },
    });
  });

  it("is else what the path names, by its id where it is named otherwise", () => {
    const path = "/skills/{skill_id}";
    expect(about({ path: "/dead-letters/{id}", params: { id: "x" } })).toEqual({
      ...{ entity_type: "dead_letter", entity_id: "x" },
    });
    const answer = { id: ID, slug: "words" };
    expect(about({ path, params: { skill_id: "words" }, answer }).entity_id).toBe(ID);
    const other = { id: "other", slug: "others" };
    expect(about({ path, params: { skill_id: "words" }, answer: other }).entity_id).toBe("words");
  });

  it("is else what is answered, or nothing in particular", () => {
    expect(about({ answer: { id: ID } }).entity_id).toBe(ID);
    expect(about({ path: "/runner/register", answer: { runner_id: ID } })).toEqual({
      ...{ entity_type: "runner", entity_id: ID },
    });
    expect(about({ path: "/pipelines/bulk/cancel" })).toEqual({
      ...{ entity_type: "pipeline", entity_id: null },
    });
  });
});

describe("what is written down", () => {
  it("is what changes something", () => {
    expect(changesSomething({ method: "post", scope: "tasks:execute" })).toBe(true);
    expect(changesSomething({ method: "post", scope: "pipelines:read" })).toBe(false);
    expect(changesSomething({ method: "get", scope: "keys:admin" })).toBe(false);
    expect(changesSomething({ method: "put" })).toBe(false);
    expect(changesSomething({ method: "post", audited: true })).toBe(true);
  });

  it("is a document up to a bound, and beyond it its digest", () => {
    const fits = "x".repeat(MAX_CONTENT_BYTES - 2);
    expect(contentOf(fits)).toEqual({ json: JSON.stringify(fits) });
    expect(contentOf(`${fits}x`)).toMatchObject({ digest: { bytes: MAX_CONTENT_BYTES + 1 } });
    expect(contentOf(undefined)).toBeNull();
  });
});
