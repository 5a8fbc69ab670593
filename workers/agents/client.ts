/** How services reach the object of a session: by id, with refusals turned into API errors. */
import { ApiError, notFound } from "../http/errors.ts";
import { wasReset } from "../runs/client.ts";
import { follow } from "../runs/follow.ts";
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
} from "./session-port.ts";

export const AGENT_KIND = "agent";

const EVENTS_PER_PAGE = 500;

/** The object of a session as others see it. `fetch` opens the socket of a watcher. */
export interface SessionStub extends SessionObject {
  fetch(address: string, init: { headers: Record<string, string> }): Promise<Response>;
}

export interface SessionClient {
  /** One that exists is answered as it is. */
  create(input: CreateSession): Promise<SessionSnapshot>;
  read(id: string): Promise<SessionSnapshot>;
  send(id: string, message: SendMessage): Promise<SentMessage>;
  command(id: string, command: SessionCommand, caller: Caller): Promise<SessionSnapshot>;
  messages(id: string, after: number, limit: number): Promise<readonly SessionMessage[]>;
  approvals(id: string): Promise<readonly PendingApproval[]>;
  ledger(id: string, after: number, limit: number): Promise<readonly LedgerRow[]>;
  remove(id: string): Promise<void>;
  /** Events after `after`, those to come included, until the session is terminated. */
  follow(id: string, after: number, signal: AbortSignal): AsyncGenerator<SessionEventRow>;
}

export function createSessionClient(objectOf: (id: string) => SessionStub): SessionClient {
  /** Calls the object once more when a reset of it cut the call off: all that is asked may be repeated. */
  const call = async <T extends object>(
    id: string,
    operation: (stub: SessionStub) => Promise<T>,
  ): Promise<Exclude<T, SessionRefusal>> => {
    const attempt = () => operation(objectOf(id));
    const answer = await attempt().catch((error: unknown) => {
      if (wasReset(error)) return attempt();
      throw error;
    });
    const accepted = (given: T): given is Exclude<T, SessionRefusal> => !isRefusal(given);
    if (accepted(answer)) return answer;
    throw refusal(id, answer);
  };
  const read = (id: string) => call(id, async (stub) => stub.read());
  /** A session that was deleted has told all there is, as has one that is terminated. */
  const page = async (id: string, after: number) => {
    try {
      const events = await call(id, async (stub) => stub.events(after, EVENTS_PER_PAGE));
      if (events.length > 0) return { events, ended: false };
      return { events, ended: (await read(id)).state === "terminated" };
    } catch (error) {
      if (error instanceof ApiError && error.code === "not_found")
        return { events: [], ended: true };
      throw error;
    }
  };
  return {
    create: (input) => call(input.id, async (stub) => stub.create(input)),
    read,
    send: (id, message) => call(id, async (stub) => stub.send(message)),
    command: (id, command, caller) => call(id, async (stub) => stub.command(command, caller)),
    messages: (id, after, limit) => call(id, async (stub) => stub.messages(after, limit)),
    approvals: (id) => call(id, async (stub) => stub.approvals()),
    ledger: (id, after, limit) => call(id, async (stub) => stub.ledger(after, limit)),
    remove: async (id) => {
      await call(id, async (stub) => stub.remove());
    },
    follow: (id, after, signal) =>
      follow<SessionEventRow>({
        open: () => objectOf(id).fetch("https://session/", { headers: { Upgrade: "websocket" } }),
        page: (cursor) => page(id, cursor),
        isWanted: () => true,
        isLast: ({ type }) => type === "session.terminated",
        ...{ after, signal },
      }),
  };
}

function isRefusal(answer: object): answer is SessionRefusal {
  return "refused" in answer;
}

function refusal(id: string, refused: object): ApiError {
  if (!isRefusal(refused)) return notFound(AGENT_KIND, id);
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
