/** Starts an engine with one session inside this process, for tests that need no CLI. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Engine } from "./engine.ts";
import type { FaultsInput } from "./faults.ts";
import { openSession, type Session, type SessionOptions } from "./session.ts";

/** What to set _EXPERIMENTAL_DAGGER_CLI_BIN to, for tests that need the CLI. */
export const FAKE_DAGGER_CLI = fileURLToPath(new URL("./bin/dagger", import.meta.url));

export interface FakeDaggerOptions extends SessionOptions {
  /** Shared with other engines when given; else the engine's own, removed when it closes. */
  readonly stateDirectory?: string;
  readonly faults?: FaultsInput;
}

export interface FakeDagger extends Session {
  readonly engine: Engine;
  /** Opens another session of the same engine. */
  openSession(): Promise<Session>;
}

export async function startFakeDagger(options: FakeDaggerOptions = {}): Promise<FakeDagger> {
  const given = options.stateDirectory;
  const stateDirectory = given ?? (await mkdtemp(join(tmpdir(), "fake-dagger-")));
  const engine = new Engine(stateDirectory, options.faults);
  const session = await openSession(engine, options);
  const others: Session[] = [];
  return {
    ...session,
    engine,
    openSession: async () => {
      const other = await openSession(engine, options);
      others.push(other);
      return other;
    },
    close: async () => {
      for (const open of [...others, session]) await open.close();
      if (given === undefined) await rm(stateDirectory, { recursive: true, force: true });
    },
  };
}
