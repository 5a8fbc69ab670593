/**
 * The fake's own interface, for tests and scripts in other processes. It is on the same port, takes
 * no key, and goes on working while everything else is refused.
 *
 * - `POST /__faults`: a `FaultChange`, and `lose_sandboxes`, ids or "all", which are killed behind
 *   their owner's back. Answers with the faults that are set now.
 * - `DELETE /__faults`: no faults any more.
 * - `GET /__state`: see `describeState`.
 */
import { z } from "zod";
import { type Exchange, HttpError } from "./exchange.ts";
import { type FaultSettings, type Faults, faultsSchema } from "./faults.ts";
import type { IsolationKind } from "./isolation.ts";
import type { Sandboxes } from "./sandboxes.ts";

const changeSchema = faultsSchema.partial().extend({
  lose_sandboxes: z.union([z.array(z.string()), z.literal("all")]).optional(),
});

export interface SandboxSnapshot {
  readonly id: string;
  readonly state: "running" | "paused";
  readonly template: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly ends_at: string;
  /** The folder that is its `/`. */
  readonly root: string;
  readonly processes: readonly {
    readonly pid: number;
    readonly tag: string | null;
    readonly cmd: string;
    readonly args: readonly string[];
  }[];
  /** Requests and streams into it that are open. */
  readonly connections: number;
}

export interface StateSnapshot {
  readonly isolation: IsolationKind;
  readonly create_requests: number;
  readonly faults: FaultSettings;
  readonly sandboxes: readonly SandboxSnapshot[];
}

export interface Inspected {
  readonly isolation: IsolationKind;
  readonly sandboxes: Sandboxes;
  readonly faults: Faults;
  readonly controlPlane: { readonly createRequests: number };
}

export function describeState({
  isolation,
  sandboxes,
  faults,
  controlPlane,
}: Inspected): StateSnapshot {
  return {
    isolation,
    create_requests: controlPlane.createRequests,
    faults: faults.settings,
    sandboxes: sandboxes.all().map((sandbox) => ({
      id: sandbox.id,
      state: sandbox.state,
      template: sandbox.spec.template,
      metadata: sandbox.spec.metadata,
      ends_at: sandbox.endsAt.toISOString(),
      root: sandbox.root,
      processes: [...sandbox.processes.values()].map(({ pid, tag, config }) => ({
        pid,
        tag: tag ?? null,
        cmd: config.cmd,
        args: config.args,
      })),
      connections: sandbox.connectionCount,
    })),
  };
}

export const isAdminPath = (pathname: string) => pathname.startsWith("/__");

export async function answerAdmin(exchange: Exchange, inspected: Inspected): Promise<void> {
  const { sandboxes, faults } = inspected;
  switch (`${exchange.method} ${exchange.url.pathname}`) {
    case "POST /__faults": {
      const { lose_sandboxes: lost = [], ...change } = await exchange.body(changeSchema);
      faults.set(change);
      const ids = lost === "all" ? sandboxes.all().map(({ id }) => id) : lost;
      await Promise.all(ids.map((id) => sandboxes.kill(id)));
      if (change.refuse_all) for (const sandbox of sandboxes.all()) sandbox.cutConnections();
      return exchange.json(200, faults.settings);
    }
    case "DELETE /__faults":
      faults.clear();
      return exchange.json(200, faults.settings);
    case "GET /__state":
      return exchange.json(200, describeState(inspected));
    default:
      throw new HttpError(404, `the fake has no ${exchange.method} ${exchange.url.pathname}`);
  }
}
