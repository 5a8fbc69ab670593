import { z } from "zod";
import { fields } from "../../tasks/fields.ts";
import { fileRecordSchema } from "../../tasks/files.ts";
import { createTaskSchema } from "../../tasks/schemas.ts";
import { defineOperation } from "../operation.ts";
import { beginAndWait, waitField, waitOf } from "../waiting.ts";
import { taskAnswer, taskOutput } from "./task-output.ts";

const TOOL = "pipelzr_run_task";
const DEFAULT_WAIT_SECONDS = 30;
const MAX_MOUNT_CHARS = 460;

const input = z.strictObject({
  name: fields.name.default("mcp").describe("What the task is called in lists."),
  command: fields.command.unwrap().optional().describe("A shell line; this or `script`."),
  script: fields.script
    .unwrap()
    .optional()
    .describe(
      "Code in `language`. A module of JavaScript or TypeScript exports `(input, ctx) => output` as default.",
    ),
  language: fields.language.unwrap().optional().describe("Of the script; guessed unless said."),
  task_type: fields.task_type
    .default("local")
    .describe("Where it runs; `local` needs nothing set up and has no network."),
  inputs: fields.inputs.optional().describe("Any JSON: what the code is given."),
  environment: fields.environment.default({}).describe("Environment variables."),
  secrets: fields.secrets.default([]).describe("Names of secrets that become variables."),
  files: fileRecordSchema
    .default({})
    .describe("Path to content: text, or {content, encoding: utf8|base64, mode}."),
  codebase: z
    .string()
    .min(1)
    .max(MAX_MOUNT_CHARS)
    .optional()
    .describe("A codebase to mount read-only at `code`: a name, or name@snapshot."),
  image: fields.image.unwrap().optional().describe("Container image of a `dagger` task."),
  template: fields.template.unwrap().optional().describe("Sandbox template of an `e2b` task."),
  working_directory: fields.working_directory.unwrap().optional(),
  timeout_seconds: fields.timeout_seconds.default(300),
  wait_seconds: waitField(DEFAULT_WAIT_SECONDS),
});

export const runTask = defineOperation({
  name: TOOL,
  title: "Run a task",
  description:
    "Runs a shell command or a script in isolation, and answers with its result, exit code and the ends of its output. What has not ended within `wait_seconds` goes on: follow it with pipelzr_get_task.",
  scope: "tasks:write",
  annotations: { readOnlyHint: false, destructiveHint: false, openWorldHint: true },
  input,
  output: taskOutput,
  async run({ principal, project_id, services: { tasks }, once }, sent, terms) {
    const { wait_seconds, ...task } = sent;
    const wait = waitOf(wait_seconds, terms);
    const { files, execute, ...spec } = createTaskSchema.parse({ ...task, execute: true });
    const found = await beginAndWait(
      {
        begin: (execute_wait_ms) =>
          once([TOOL, sent], (seed) =>
            tasks.create(principal, seed, { spec, files, project_id, execute_wait_ms }),
          ),
        events: ({ snapshot: { resource } }) =>
          tasks.events(principal, resource.id, resource.run, 0),
        read: ({ snapshot: { resource } }) => tasks.get(principal, resource.id),
      },
      wait.ms,
      terms.tell,
    );
    return taskAnswer(found, wait);
  },
});
