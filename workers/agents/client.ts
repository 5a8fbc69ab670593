/** How services reach the object of a session: by id, with refusals turned into API errors. */
import { z } from "zod";
import { ApiError, notFound } from "../http/errors.ts";
import { AGENT_KIND } from "./session/row.ts";
import type {
  Caller,
  CreateSession,
  LedgerRow,
  PendingApproval,
  SendMessage,
  SentMessage,
  SessionCommand,
  SessionEventRow,
  SessionMessage,
  SessionObject,
  SessionRefusal,
  SessionSnapshot,
  TurnLog,
} from "./session-port.ts";

export interface SessionReach {
  readonly session: (id: string) => SessionObject;
  /** `GET` and `POST` of its bundle, with what the object says to it. */
  readonly bundle: (id: string, request: Request) => Promise<Response>;
  /** Events after a seq, those to come included, until the session is terminated. */
  readonly events: (
    id: string,
    after: number,
    signal: AbortSignal,
  ) => AsyncGenerator<SessionEventRow>;
}

export interface SessionClient {
  /** The session as lines of JSON; or what a fork of it begins with that goes on from a seq. */
  bundle(id: string, fork: number | null): Promise<string>;
  /** Makes the session of the lines of a bundle, the first of which says who takes it in. */
  takeBundle(id: string, lines: string): Promise<SessionSnapshot>;
  /** One that exists is answered as it is. */
  create(input: CreateSession): Promise<SessionSnapshot>;
  read(id: string): Promise<SessionSnapshot>;
  send(id: string, message: SendMessage): Promise<SentMessage>;
  command(id: string, command: SessionCommand, caller: Caller): Promise<SessionSnapshot>;
  messages(id: string, after: number, limit: number): Promise<readonly SessionMessage[]>;
  approvals(id: string): Promise<readonly PendingApproval[]>;
  ledger(id: string, after: number, limit: number): Promise<readonly LedgerRow[]>;
  turn(id: string, number: number | null): Promise<TurnLog>;
  children(id: string): Promise<readonly string[]>;
  remove(id: string): Promise<void>;
  /** Events after `after`, those to come included, until the session is terminated. */
  follow(id: string, after: number, signal: AbortSignal): AsyncGenerator<SessionEventRow>;
}

const BUNDLE_URL = "https://session/bundle";
const refusedBundleSchema = z.object({
  code: z.enum(["validation_failed", "payload_too_large", "forbidden", "not_found", "unavailable"]),
  detail: z.string(),
  issues: z.array(z.object({ path: z.string(), message: z.string() })),
});

export function createSessionClient({ session, events, bundle }: SessionReach): SessionClient {
  return {
    async bundle(id, fork) {
      const query = fork === null ? "" : `?fork=${fork}`;
      const response = await bundle(id, new Request(`${BUNDLE_URL}${query}`));
      if (response.ok) return new TextDecoder().decode(await response.arrayBuffer());
      const refused: SessionRefusal = await response.json();
      throw refusal(id, refused);
    },
    async takeBundle(id, body) {
      const response = await bundle(id, new Request(BUNDLE_URL, { method: "POST", body }));
      if (response.ok) {
        const snapshot: SessionSnapshot = await response.json();
        return snapshot;
      }
      const { code, detail, issues } = refusedBundleSchema.parse(await response.json());
      throw new ApiError(code, detail, { issues });
    },
    create: (input) => session(input.id).create(input),
    read: async (id) => accepted(id, await session(id).read()),
    send: async (id, message) => accepted(id, await session(id).send(message)),
    command: async (id, command, caller) =>
      accepted(id, await session(id).command(command, caller)),
    messages: async (id, after, limit) => accepted(id, await session(id).messages(after, limit)),
    approvals: async (id) => accepted(id, await session(id).approvals()),
    ledger: async (id, after, limit) => accepted(id, await session(id).ledger(after, limit)),
    turn: async (id, number) => accepted(id, await session(id).turn(number)),
    children: async (id) => accepted(id, await session(id).children()),
    remove: async (id) => {
      accepted(id, await session(id).remove());
    },
    follow: events,
  };
}

function accepted<T extends object>(id: string, answer: T | SessionRefusal): T {
  if (isRefusal(answer)) throw refusal(id, answer);
  return answer;
}

function isRefusal(answer: object): answer is SessionRefusal {
  return "refused" in answer;
}

function refusal(id: string, refused: SessionRefusal): ApiError {
  switch (refused.refused) {
    case "not_found":
      return notFound(AGENT_KIND, id);
    case "illegal": {
      const { state, allowed, detail } = refused;
      const options = allowed.length > 0 ? `Allowed now: ${allowed.join(", ")}.` : "";
      return new ApiError(
        "illegal_transition",
        `The ${AGENT_KIND} is ${state}. ${detail} ${options}`.trim(),
        { members: { state, allowed } },
      );
    }
    case "mismatch":
      return new ApiError(
        "idempotency_mismatch",
        "This Idempotency-Key was used with another message. Send the same message again, or another key.",
      );
    case "invalid": {
      const { path, message } = refused;
      return new ApiError(
        "validation_failed",
        "The request is not valid; correct what is listed.",
        {
          issues: [{ path, message }],
        },
      );
    }
    case "too_many":
      return new ApiError("rate_limited", refused.detail, { headers: { "Retry-After": "5" } });
  }
}
