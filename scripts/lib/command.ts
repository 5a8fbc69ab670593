/** Runs one of the project's tools to its end. */
import { spawn } from "node:child_process";
import { rootPath } from "./paths.ts";

export interface CommandResult {
  readonly code: number;
  /** Standard output and standard error as they came, interleaved. */
  readonly output: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** `inherit` shows the output as it comes and captures none. */
  readonly stdio?: "capture" | "inherit";
}

/** Quiet and reproducible: no banner, no look-up of newer versions, no telemetry. */
const TOOL_ENVIRONMENT = { WRANGLER_HIDE_BANNER: "true", WRANGLER_SEND_METRICS: "false" };

/** Runs `node_modules/.bin/<tool>` in the repository's root; resolves whatever the exit code. */
export function runTool(
  tool: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return runCommand(rootPath("node_modules/.bin", tool), args, options);
}

/** Runs another of `scripts/` in a process of its own. */
export function runScript(
  name: string,
  args: readonly string[] = [],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return runCommand(process.execPath, [rootPath("scripts/run.mjs"), name, ...args], options);
}

function runCommand(
  command: string,
  args: readonly string[],
  { env, stdio = "capture" }: CommandOptions,
): Promise<CommandResult> {
  const capture = stdio === "capture";
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: rootPath(),
      env: { ...process.env, ...TOOL_ENVIRONMENT, ...env },
      stdio: capture ? ["ignore", "pipe", "pipe"] : "inherit",
    });
    const chunks: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => chunks.push(chunk));
    child.once("error", reject);
    child.once("close", (code) =>
      resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString("utf8") }),
    );
  });
}
