/**
 * Structured logs: one JSON line an event, with a stable `event` name. Fields are scalars, so that
 * no body, header or credential can be passed by accident.
 */

export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** `info`: lifecycle; `warn`: a best effort that failed; `error`: needs attention. */
export type LogLevel = "info" | "warn" | "error";

export function log(level: LogLevel, event: string, fields: LogFields): void {
  const line = JSON.stringify({ level, event, at: new Date().toISOString(), ...fields });
  if (level === "error") console.error(line);
  else if (level === "warn") console.warn(line);
  else console.log(line);
}

export function logError(event: string, error: unknown, fields: LogFields = {}): void {
  log("error", event, { ...fields, ...describe(error) });
}

export function logWarning(event: string, error: unknown, fields: LogFields = {}): void {
  log("warn", event, { ...fields, ...describe(error) });
}

function describe(error: unknown): LogFields {
  if (!(error instanceof Error)) return { error: String(error) };
  return { error: `${error.name}: ${error.message}`, stack: error.stack };
}
