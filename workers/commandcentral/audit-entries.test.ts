/** How entries of the audit log are told to CommandCentral. */
import { describe, expect, it } from "vitest";
import { toAuditEntry } from "./audit-entries.ts";

const MESSAGE = { project_id: "p1", resource_id: "p1", trace: null };
const told = (data: Readonly<Record<string, string | number | null | object>>) =>
  toAuditEntry(
    { seq: 7, run: 0, at: 0, type: "audit.recorded", data: JSON.parse(JSON.stringify(data)) },
    MESSAGE,
  );

const ENTRY = {
  id: "e1",
  actor: { kind: "user", id: "u1", name: "u1@example.com" },
  action: "createTask",
  entity_type: "task",
  entity_id: "t1",
  project_id: "p1",
  status: 201,
  outcome: "success",
  error_code: null,
  request_id: "r1",
  correlation_id: "c1",
  from_state: null,
  to_state: "pending",
};

describe("an entry of the audit log", () => {
  it("is told whole", () => {
    expect(told(ENTRY)).toEqual({
      event_type: "entity_created",
      event_name: "task.createTask",
      entity_type: "task",
      entity_id: "t1",
      actor_type: "user",
      actor_id: "u1",
      from_state: null,
      to_state: "pending",
      transition_name: null,
      success: true,
      failure_reason: null,
      project_id: "p1",
      correlation_id: "c1",
      rationale: null,
      extra_data: {
        ...{ service: "pipelzr", log: "p1", seq: 7, id: "e1", status: 201, request_id: "r1" },
      },
      side_effects: [],
      timestamp: "1970-01-01T00:00:00.000Z",
    });
  });

  it.each([
    [{ action: "patchTask" }, "entity_updated"],
    [{ action: "deleteTask", status: 204 }, "entity_deleted"],
    [{ action: "cancelTask" }, "service_call"],
    [{ action: "cancelTask", from_state: "running", to_state: "cancelled" }, "transition_success"],
    [{ from_state: "a", to_state: "b", outcome: "failed" }, "transition_denied"],
    [{ outcome: "denied", status: 403 }, "permission_denied"],
    [{ outcome: "failed", status: 422 }, "service_call"],
    [{ outcome: "failed", status: 503 }, "error"],
  ])("%j is of the type %s", (change, type) => {
    expect(told({ ...ENTRY, ...change }).event_type).toBe(type);
  });

  it("says why it failed", () => {
    expect(told({ ...ENTRY, outcome: "denied", error_code: "forbidden" })).toMatchObject({
      ...{ success: false, failure_reason: "forbidden" },
    });
  });

  it("is told as far as it goes when members are missing or of another kind", () => {
    expect(told({})).toMatchObject({
      ...{ event_type: "service_call", event_name: "service.called", actor_type: "system" },
      ...{ project_id: "p1", entity_id: null, success: false },
    });
    expect(told({ actor_kind: "api_key", actor_id: "k1", action: 7, status: "201" })).toMatchObject(
      {
        ...{ actor_type: "service", actor_id: "k1", event_name: "service.called" },
      },
    );
  });
});
