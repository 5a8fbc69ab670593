/** A supervisor that a test can kill: takes its options as a message, answers with its processes. */
import process from "node:process";
import { Supervisor, type SupervisorOptions } from "../lib/supervisor.ts";

process.once("message", async (options: SupervisorOptions) => {
  const service = new Supervisor({ ...options, onOutput: () => undefined });
  await service.start();
  process.send?.(service.processes);
});
