/** Records as tests write them down. */
import type { AuditRecord } from "../http/audit-record.ts";

export function recordOf(id: string, parts: Partial<AuditRecord> = {}): AuditRecord {
  return {
    id,
    actor: { kind: "api_key", id: "key-1", name: "builder" },
    action: "patchTask",
    ...{ entity_type: "task", entity_id: "task-1", is_entity: true, to_state: "pending" },
    ...{ method: "PATCH", path: "/api/v1/tasks/{task_id}", status: 200 },
    ...{ outcome: "success", error_code: null },
    ...{ request_id: `request-${id}`, correlation_id: `request-${id}`, traceparent: null },
    request: { json: '{"body":{"name":"b"}}' },
    after: { json: '{"id":"task-1","name":"b","state":"pending"}' },
    ...parts,
  };
}
