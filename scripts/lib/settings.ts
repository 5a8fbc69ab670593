/** Where a local service listens and how long it may be silent: settings of the commands alone. */
import { z } from "zod";

export const DEFAULT_PORT = 8001;
export const DEFAULT_WATCHDOG_MS = 2_500;
const MAX_PORT = 65_535;
const MIN_WATCHDOG_MS = 500;
/** Longer timers fire at once. */
const MAX_WATCHDOG_MS = 2 ** 31 - 1;

const settingsSchema = z.object({
  HOST: z.string().default("127.0.0.1"),
  PORT: z.coerce.number().int().min(1).max(MAX_PORT).default(DEFAULT_PORT),
  WATCHDOG_MS: z.coerce
    .number()
    .int()
    .min(MIN_WATCHDOG_MS)
    .max(MAX_WATCHDOG_MS)
    .default(DEFAULT_WATCHDOG_MS),
});
export type Settings = z.output<typeof settingsSchema>;

const RANGES: Readonly<Record<string, string>> = {
  PORT: `a whole number from 1 to ${MAX_PORT}`,
  WATCHDOG_MS: `a whole number of milliseconds from ${MIN_WATCHDOG_MS} to ${MAX_WATCHDOG_MS}`,
};

/** Reads the settings; an empty one is an unset one. Throws with what each must be. */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Settings {
  const set = Object.entries(environment).filter(([, value]) => value !== "");
  const outcome = settingsSchema.safeParse(Object.fromEntries(set));
  if (outcome.success) return outcome.data;
  const names = new Set(outcome.error.issues.map((issue) => String(issue.path[0])));
  const problems = [...names].map(
    (name) => `${name} is "${environment[name]}", and must be ${RANGES[name] ?? "a text"}.`,
  );
  throw new Error(problems.join(" "));
}
