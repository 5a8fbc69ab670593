/** What the supervisor and the host that it starts say to each other. */
import { z } from "zod";

/** One more Worker in the same runtime, with a port of its own; the benchmark's yardsticks are such. */
const companionSchema = z.object({
  name: z.string(),
  script: z.string(),
  port: z.number().int(),
  /** The Workflow class that its script exports, and the binding under which the script finds it. */
  workflow: z.object({ binding: z.string(), class_name: z.string() }).optional(),
  /** A queue that its script sends to under the binding, and consumes without gathering a batch. */
  queue: z.object({ binding: z.string() }).optional(),
});
export type Companion = z.output<typeof companionSchema>;

const hostOptionsSchema = z.object({
  /** Folder of the build. */
  dist: z.string(),
  /** Folder that keeps D1, Durable Objects and R2, laid out as `wrangler dev --persist-to` has it. */
  state: z.string(),
  hostname: z.string(),
  port: z.number().int(),
  /** Variables and secrets of the Worker, over those of wrangler.toml. */
  variables: z.record(z.string(), z.string()),
  /** Whether cron handlers fire by the clock. */
  crons: z.boolean(),
  companions: z.array(companionSchema),
});
export type HostOptions = z.output<typeof hostOptionsSchema>;

export const toHostSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("boot"), options: hostOptionsSchema }),
  z.object({ type: z.literal("fire_cron"), id: z.number().int(), cron: z.string() }),
  z.object({ type: z.literal("stop") }),
]);
export type ToHost = z.output<typeof toHostSchema>;

export const fromHostSchema = z.discriminatedUnion("type", [
  /** The runtime serves, at first and again after each of its deaths. */
  z.object({ type: z.literal("serving"), runtime: z.number().int() }),
  z.object({ type: z.literal("failed"), message: z.string() }),
  z.object({ type: z.literal("cron_fired"), id: z.number().int(), outcome: z.string() }),
]);
export type FromHost = z.output<typeof fromHostSchema>;
