/** The definitions and tasks that README.md shows are ones that the service accepts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { loadConfig } from "../config.ts";
import { checkSpec } from "../tasks/rules.ts";
import { createTaskSchema, specSchema } from "../tasks/schemas.ts";
import { parseDefinition } from "./definition.ts";

const readme = readFileSync("README.md", "utf8");
const blocks = [
  ...readme.matchAll(/<<'EOF'\n(name: [\s\S]*?)\nEOF\n/g),
  ...readme.matchAll(/```yaml\n(name: [\s\S]*?)\n```/g),
].map(([, text = ""]) => text);
/** As the README says to, of what it shows. */
const config = loadConfig({
  SUBPROCESS_ENABLED: "true",
  DAGGER_ENABLED: "true",
  E2B_ENABLED: "true",
  E2B_API_KEY: "e2b_key",
});
const sentSchema = z.looseObject({
  name: z.string(),
  execute: z.boolean().optional(),
  run_inputs: z.json().optional(),
});

test("there are some", () => expect(blocks.length).toBeGreaterThan(3));

test.each(blocks.map((text) => [sentSchema.parse(parse(text))]))(
  "$name",
  ({ execute: _, run_inputs: __, ...definition }) => {
    expect(parseDefinition(definition, { config }).issues).toEqual([]);
  },
);

const tasks = [...readme.matchAll(/\/api\/v1\/tasks -H [^']*'Content-Type[^{]*(\{[^']*\})'/g)].map(
  ([, text = ""]) => createTaskSchema.parse(JSON.parse(text)),
);

test("there are tasks of every type", () => {
  const types = tasks.map(({ task_type }) => task_type ?? "local");
  expect(new Set(types)).toEqual(new Set(["local", "subprocess", "dagger", "e2b"]));
});

test.each(tasks.map((task) => [task]))(
  "$name",
  ({ project_id: _, files: __, execute: ___, ...spec }) => {
    expect(() => checkSpec(specSchema.parse(spec), config)).not.toThrow();
  },
);
