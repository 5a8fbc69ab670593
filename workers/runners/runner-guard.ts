/** In front of the runner's own API: signatures, or for its registration the token. */
import { readBytes } from "../http/body.ts";
import type { AppContext } from "../http/context.ts";
import type { Guard } from "../http/endpoint.ts";
import { ApiError } from "../http/errors.ts";
import { checkFailures, countFailure, takeRequest } from "../http/rate-limit.ts";
import { contentDigest } from "../security/hash.ts";
import type { RunnerAccess, RunnerCaller } from "./access.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly runnerAccess: RunnerAccess;
  }
}

const access = {
  kind: "credential",
  scheme: "runnerSignature",
  credential: "the signature of a registered runner",
} as const;

/** The WebSocket, and requests whose body is streamed: the signature covers the rest. */
export const signedRequest: Guard<RunnerCaller> = {
  access,
  admit: (c) => admit(c, async () => "-"),
};

export interface SignedCaller extends RunnerCaller {
  readonly body: Uint8Array;
}

/** Requests whose signature covers the body, also an empty one; it is read up to `maxBytes`. */
export function signedBody(maxBytes: number): Guard<SignedCaller> {
  return {
    access,
    admit: async (c) => {
      let body = new Uint8Array();
      const caller = await admit(c, async () => {
        body = await readBytes(c.req.raw, maxBytes, "Send less at once.");
        return contentDigest(body);
      });
      return { ...caller, body };
    },
  };
}

/** The token is in the body, and is checked with it. */
export const registration: Guard<null> = {
  access: {
    kind: "credential",
    scheme: null,
    credential: "the one-time token of `POST /api/v1/runners`",
  },
  admit: async (c) => {
    checkFailures(c);
    return null;
  },
};

async function admit(c: AppContext, digest: () => Promise<string>): Promise<RunnerCaller> {
  checkFailures(c);
  return countingFailures(c, async () => {
    const { pathname, search } = new URL(c.req.url);
    const caller = await c.get("services").runnerAccess.identify(
      {
        authorization: c.req.header("authorization") ?? null,
        method: c.req.method,
        target: pathname + search,
        sha256: digest,
      },
      Date.now(),
    );
    c.set("caller", `runner:${caller.runner_id}`);
    await takeRequest(c, { kind: "runner", id: caller.runner_id });
    return caller;
  });
}

/** Counts what is refused for its credential against its sender. */
export async function countingFailures<T>(c: AppContext, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ApiError && error.code === "unauthenticated") await countFailure(c);
    throw error;
  }
}
