/** `npm run dev`: `wrangler dev`, with reload, on the port, state and key of `npm start`. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { runScript, runTool } from "./lib/command.ts";
import { ensureDevVars } from "./lib/dev-vars.ts";
import { ensureStateFolder } from "./lib/folders.ts";
import { StateLock } from "./lib/lock.ts";
import { dataPath, devVarsPath, rootPath } from "./lib/paths.ts";
import { lockFile, stateFolder } from "./lib/service.ts";
import { readSettings } from "./lib/settings.ts";

async function main(): Promise<void> {
  const { HOST, PORT } = readSettings(process.env);
  ensureStateFolder(stateFolder(dataPath()));
  const { PIPELZR_DEV_API_KEY = "" } = await ensureDevVars(devVarsPath());
  const lock = StateLock.acquire(lockFile(dataPath()), `http://${HOST}:${PORT}`);
  process.once("exit", () => lock.release());
  const state = stateFolder(dataPath());
  for (const step of [
    runScript("build-child"),
    runScript("build-grammars"),
    runTool("wrangler", ["d1", "migrations", "apply", "DB", "--local", "--persist-to", state]),
  ]) {
    const { code, output } = await step;
    if (code !== 0) throw new Error(output);
  }
  console.log(`API key   ${PIPELZR_DEV_API_KEY}   (kept in .dev.vars)\n`);
  const args = ["dev", "--ip", HOST, "--port", String(PORT), "--persist-to", state];
  const variables = ["--var", "ENVIRONMENT:local", "--env-file", devVarsPath()];
  const wrangler = spawn(
    process.execPath,
    [rootPath("node_modules/wrangler/bin/wrangler.js"), ...args, ...variables],
    { cwd: rootPath(), stdio: "inherit", env: { ...process.env, WRANGLER_SEND_METRICS: "false" } },
  );
  // A terminal signals the whole group; whoever signals this process alone means wrangler too.
  for (const name of ["SIGINT", "SIGTERM"] as const) process.on(name, () => wrangler.kill(name));
  const [code] = await once(wrangler, "exit");
  process.exitCode = typeof code === "number" ? code : 0;
}

try {
  await main();
} catch (error) {
  process.stderr.write(`pipelzr: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
