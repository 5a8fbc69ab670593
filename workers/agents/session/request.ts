/** What is asked of a session's object, and how a session is asked from elsewhere. */
import { wasReset } from "../../runs/resets.ts";
import type { Account } from "../accounts.ts";
import type {
  Caller,
  CreateSession,
  SendMessage,
  SessionCommand,
  SessionObject,
} from "../session-port.ts";

interface PageRequest {
  readonly after: number;
  readonly limit: number;
}

export type SessionRequest =
  | { readonly ask: "create"; readonly input: CreateSession }
  | { readonly ask: "send"; readonly message: SendMessage }
  | { readonly ask: "command"; readonly command: SessionCommand; readonly caller: Caller }
  | { readonly ask: "turn"; readonly number: number | null }
  | { readonly ask: "account"; readonly account: Account }
  | { readonly ask: "read" | "approvals" | "pool_changed" | "children" | "remove" }
  | ({ readonly ask: "messages" | "events" | "ledger" } & PageRequest);

export function answer(session: SessionObject, request: SessionRequest): Promise<object> {
  switch (request.ask) {
    case "create":
      return session.create(request.input);
    case "send":
      return session.send(request.message);
    case "command":
      return session.command(request.command, request.caller);
    case "read":
      return session.read();
    case "approvals":
      return session.approvals();
    case "account":
      return session.account(request.account);
    case "pool_changed":
      return session.poolChanged();
    case "children":
      return session.children();
    case "remove":
      return session.remove();
    case "turn":
      return session.turn(request.number);
    case "messages":
      return session.messages(request.after, request.limit);
    case "events":
      return session.events(request.after, request.limit);
    case "ledger":
      return session.ledger(request.after, request.limit);
  }
}

/** The object as its stub is called. */
export interface SessionStub {
  ask(text: string): Promise<string>;
}

/**
 * A session behind its object. What comes to the same when it is asked twice is asked again when a
 * reset of the object cut the call off; a command is not.
 */
export function sessionAt(stubOf: () => SessionStub): SessionObject {
  const ask = async (request: SessionRequest) => {
    const text = JSON.stringify(request);
    const reply = await stubOf()
      .ask(text)
      .catch((error: unknown) => {
        if (request.ask !== "command" && wasReset(error)) return stubOf().ask(text);
        throw error;
      });
    return JSON.parse(reply);
  };
  return {
    create: (input) => ask({ ask: "create", input }),
    send: (message) => ask({ ask: "send", message }),
    command: (command, caller) => ask({ ask: "command", command, caller }),
    read: () => ask({ ask: "read" }),
    approvals: () => ask({ ask: "approvals" }),
    turn: (number) => ask({ ask: "turn", number }),
    account: (account) => ask({ ask: "account", account }),
    poolChanged: () => ask({ ask: "pool_changed" }),
    children: () => ask({ ask: "children" }),
    remove: () => ask({ ask: "remove" }),
    messages: (after, limit) => ask({ ask: "messages", after, limit }),
    events: (after, limit) => ask({ ask: "events", after, limit }),
    ledger: (after, limit) => ask({ ask: "ledger", after, limit }),
  };
}
