/** Runs a fake of a neighbour as a process of its own, until it is told to stop. */
import process from "node:process";
import { parseArgs } from "node:util";
import { z } from "zod";
import type { FakeService } from "./service.ts";

const argumentsSchema = z.object({
  port: z.coerce.number().int().min(0).max(65_535).default(0),
  secret: z.string().optional(),
});
export type FakeArguments = z.output<typeof argumentsSchema>;

/** Prints `{"port":N}` once the fake listens. */
export async function runFake(
  start: (options: FakeArguments) => Promise<FakeService>,
): Promise<void> {
  const { values } = parseArgs({
    options: { port: { type: "string" }, secret: { type: "string" } },
  });
  const fake = await start(argumentsSchema.parse(values));
  const stop = () => void fake.stop().then(() => process.exit(0));
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  process.stdout.write(`${JSON.stringify({ port: fake.port })}\n`);
}
