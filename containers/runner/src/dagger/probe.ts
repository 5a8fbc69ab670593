/** Whether attempts can be run now: the CLI is there, and an engine answers it. */
import { tmpdir } from "node:os";
import { z } from "zod";
import { NoSession, openSession } from "./session.ts";
import { OLDEST_ENGINE, SDK_VERSION } from "./version.ts";

const QUERY_MS = 5_000;

export interface ProbeOptions {
  readonly cli: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
}

const answerSchema = z.object({ data: z.object({ version: z.string() }) });

/** Null when they can; else why not and what to do. */
export async function probeEngine(options: ProbeOptions): Promise<string | null> {
  try {
    const session = await openSession({ ...options, folder: tmpdir() });
    try {
      const { port, token } = session;
      const response = await fetch(`http://127.0.0.1:${port}/query`, {
        method: "POST",
        headers: {
          authorization: `Basic ${Buffer.from(`${token}:`).toString("base64")}`,
          "content-type": "application/json",
        },
        body: JSON.stringify({ query: "{ version }" }),
        signal: AbortSignal.timeout(QUERY_MS),
      });
      return tooOld(answerSchema.parse(await response.json()).data.version);
    } finally {
      await session.close();
    }
  } catch (error) {
    if (error instanceof NoSession) return error.message;
    return "A Dagger engine answers, but not in the way of one. Check that CLI and engine are of one version, and that nothing else is at the engine's address.";
  }
}

function tooOld(version: string): string | null {
  const [, major, minor] = /^v?(\d+)\.(\d+)\./.exec(version) ?? [];
  if (major === undefined || minor === undefined) return null;
  const [oldestMajor, oldestMinor] = OLDEST_ENGINE;
  const isOld = Number(major) === oldestMajor && Number(minor) < oldestMinor;
  return isOld
    ? `The Dagger engine is ${version}, which is too old. Run version ${SDK_VERSION} of engine and CLI.`
    : null;
}
