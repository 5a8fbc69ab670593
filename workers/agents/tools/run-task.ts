import { z } from "zod";
import { ApiError } from "../../http/errors.ts";
import { toIssues } from "../../http/issues.ts";
import { inOurWords } from "../../http/wording.ts";
import { resourceId } from "../../runs/address.ts";
import { fields } from "../../tasks/fields.ts";
import { fileRecordSchema } from "../../tasks/files.ts";
import { createTaskSchema } from "../../tasks/schemas.ts";
import type { FoundTask } from "../../tasks/service.ts";
import { toTask } from "../../tasks/view.ts";
import type { ToolResult } from "../tool-port.ts";
import { seedOf, untilOver } from "./attached.ts";
import { failure, success, tailOf } from "./results.ts";
import { changedFiles, mountOf, specOfCodebase } from "./task-files.ts";
import { ATTACHES, defineTool } from "./tool.ts";

const MAX_LOG_CHARS = 12_000;

const input = z.strictObject({
  command: fields.command.unwrap().optional().describe("A shell line; this or `script`."),
  script: fields.script
    .unwrap()
    .optional()
    .describe(
      "Code in `language`. A module of JavaScript or TypeScript exports `(input, ctx) => output` as default.",
    ),
  language: fields.language.unwrap().optional().describe("Of the script; javascript unless said."),
  name: fields.name.optional().describe("What the task is called in lists."),
  task_type: fields.task_type
    .default("local")
    .describe("Where it runs; `local` needs nothing set up and has no network."),
  inputs: fields.inputs.optional().describe("Any JSON: what the code is given."),
  environment: fields.environment.default({}).describe("Environment variables."),
  secrets: fields.secrets.default([]).describe("Names of secrets that become variables."),
  files: fileRecordSchema.default({}).describe("Path to text, beside those of the session."),
  codebase: specOfCodebase,
  image: fields.image.unwrap().optional().describe("Container image of a `dagger` task."),
  template: fields.template.unwrap().optional().describe("Sandbox template of an `e2b` task."),
  working_directory: fields.working_directory.unwrap().optional(),
  timeout_seconds: fields.timeout_seconds.default(300),
});

export const runTask = defineTool({
  name: "run_task",
  description:
    "Runs a shell command or a script in isolation, and answers with its result, exit code and the ends of its output. The session's codebase is mounted read-only at `code`; files that you have written stand at `changes`, with the same paths.",
  scopes: ["tasks:write", "tasks:execute"],
  ...ATTACHES,
  input,
  async run(session, sent) {
    const { principal, project_id, session_id, signal, deps } = session;
    const { tasks } = deps.services;
    const seed = seedOf(session);
    const id = resourceId(seed, project_id);
    const { files, execute, ...spec } = checked({
      ...sent,
      name: sent.name ?? firstLine(sent.command ?? sent.script ?? ""),
      agent_id: session_id,
      codebase: mountOf(session, sent.codebase),
      files: { ...(await changedFiles(session)), ...sent.files },
    });
    const found = await untilOver(
      {
        begin: (wait_ms) =>
          tasks.create(principal, seed, { spec, files, project_id, execute_wait_ms: wait_ms }),
        find: () => tasks.get(principal, id),
        isOver: ({ snapshot }) => snapshot.run?.completed_at != null,
        cancel: () => tasks.cancel(principal, id),
      },
      signal,
    );
    return found === null ? failure("The task was stopped.") : toResult(found);
  },
});

/** Its parts are as they should be; that they go together is seen here. */
function checked(task: z.input<typeof createTaskSchema>) {
  const { data, error } = createTaskSchema.safeParse(task, { error: inOurWords });
  if (data !== undefined) return data;
  const detail = "The task cannot be made as it is; correct what is listed.";
  throw new ApiError("validation_failed", detail, { issues: toIssues(error) });
}

function toResult({ snapshot, result }: FoundTask): ToolResult {
  const task = toTask(snapshot, result);
  const { id, state, exit_code, error, stdout, stderr, duration_ms } = task;
  const output = {
    ...{ task_id: id, state, exit_code, result },
    ...(error !== null && { error }),
    ...(stdout !== null && stdout !== "" && { stdout: tailOf(stdout, MAX_LOG_CHARS) }),
    ...(stderr !== null && stderr !== "" && { stderr: tailOf(stderr, MAX_LOG_CHARS) }),
  };
  const answer = state === "completed" ? success(output) : failure(output);
  return task.task_type === "local" ? answer : { ...answer, sandbox_ms: duration_ms ?? 0 };
}

const MAX_NAME_CHARS = 80;

function firstLine(code: string): string {
  return code.trim().split("\n", 1)[0]?.slice(0, MAX_NAME_CHARS) || "task";
}
