import { expect, test } from "vitest";
import { withoutAddresses } from "./runtime-log.ts";

test("the runtime's addresses go, the cause and the rest stay", () => {
  const stack = "stack: /home/me/pipelzr/bin/workerd@28a3c60 /home/me/pipelzr/bin/workerd@3ac7580";
  const cause = "e = rust/worker/ffi.rs:110: failed: Name or service not known";
  expect(withoutAddresses(`${cause}\n${stack}; wdErrId = 6sgc`)).toBe(`${cause}; wdErrId = 6sgc`);
  expect(withoutAddresses(`${cause}; ${stack}`)).toBe(cause);
});

test.each([
  '{"level":"warn","event":"request_failed","stack":"Error: no\\n    at a (workers/app.ts:1:2)"}',
  "Error: no\n    at a (workers/app.ts:1:2)",
  "stack: a@b.example and a heap",
])("what the service and its tasks print stays as it is: %s", (message) => {
  expect(withoutAddresses(message)).toBe(message);
});
