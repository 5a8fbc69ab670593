/** For tests inside workerd: the fakes beside the lane, and users of CommandCentral. */
import { inject } from "vitest";
import { z } from "zod";
import { issueToken } from "../../containers/fakes/commandcentral/tokens.ts";
import type { FaultInput } from "../../containers/fakes/platform/faults.ts";
import { isolate } from "../test/app.ts";

const addresses = inject("fakePlatform");

/** The service as one that CommandCentral belongs to. */
export function connected(variables: Record<string, string> = {}) {
  return isolate([], {
    COMMANDCENTRAL_ENABLED: "true",
    COMMANDCENTRAL_URL: addresses.commandcentral,
    SECRET_KEY: addresses.secret,
    ...variables,
  });
}

export function tokenOf(sub: string, roles = ["user"], more: object = {}): string {
  return issueToken(addresses.secret, { sub, roles }, { ...more });
}

const callsSchema = z.array(
  z.object({
    method: z.string(),
    path: z.string(),
    body: z.unknown().optional(),
    headers: z.record(z.string(), z.unknown()),
  }),
);

/** A fake that is told what to do over its own interface. */
export class Fake {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async control(method: string, path: string, json?: unknown): Promise<unknown> {
    const response = await fetch(new URL(path, this.url), {
      method,
      ...(json !== undefined && { body: JSON.stringify(json) }),
    });
    const text = await response.text();
    return text === "" ? null : JSON.parse(text);
  }

  fault(fault: FaultInput | null): Promise<unknown> {
    return this.control("PUT", "/__fault", fault);
  }

  clear(): Promise<unknown> {
    return this.control("DELETE", "/__state");
  }

  async calls() {
    return callsSchema.parse(await this.control("GET", "/__calls"));
  }
}

class FakeCentral extends Fake {
  configure(switches: { patched?: boolean; audit_writable?: boolean }): Promise<unknown> {
    return this.control("PATCH", "/__state", switches);
  }

  /** A project of this owner; returns its id. */
  async project(owner: string, more: object = {}, team: readonly string[] = []): Promise<string> {
    const at = (path: string, json: unknown) =>
      fetch(new URL(path, this.url), {
        method: "POST",
        headers: { authorization: `Bearer ${tokenOf(owner)}` },
        body: JSON.stringify(json),
      });
    const made = await at("/api/v1/projects/", { name: "Shop", ...more });
    const { id } = z.object({ id: z.string() }).parse(await made.json());
    for (const user_id of team) {
      await (await at(`/api/v1/projects/${id}/team`, { user_id })).text();
    }
    return id;
  }
}

export const central = new FakeCentral(addresses.commandcentral);
export const idealzr = new Fake(addresses.idealzr);
