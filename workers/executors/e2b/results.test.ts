import { expect, it } from "vitest";
import { RemoteProgram } from "./remote.ts";
import { outcomeOf } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";

const EMPTY: Sandbox = {
  id: "s1",
  write: async () => undefined,
  read: async () => null,
  run: async () => 0,
};
const program = new RemoteProgram(EMPTY, "folder", "workspace");
const { signal } = new AbortController();
const sizes = { stdout: 0, stderr: 0, output: 0, frame: 0 };

it.each([true, false])("an unknown exit code is no success (of a module: %s)", async (isModule) => {
  const outcome = await outcomeOf(program, isModule, { ...sizes, exit_code: null }, "", signal);
  expect(outcome).toMatchObject({ status: "failed", code: "exit_code_unknown", exit_code: null });
});

it.each([true, false])("an exit code of 0 is one (of a module: %s)", async (isModule) => {
  const outcome = await outcomeOf(program, isModule, { ...sizes, exit_code: 0 }, "", signal);
  expect(outcome).toEqual({ status: "completed", exit_code: 0, result: null });
});
