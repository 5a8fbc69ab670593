/**
 * What a model is told of a session: the messages that its recorded items make up. Nothing that was
 * recorded is ever changed: a rollback and a summary are items of their own, and hide others.
 */
import type { Json } from "../../http/json.ts";
import {
  type AssistantMessage,
  type ModelMessage,
  type TextPart,
  type ToolCallPart,
  textOf,
  toolCallsOf,
  userText,
} from "../models/messages.ts";
import type { CallOutcome, CallRef } from "./call-types.ts";

/** In the order of `seq`, which ascends. */
export type ConversationItem =
  /** Of a user, and the beginning of its turn. */
  | {
      readonly type: "message";
      readonly seq: number;
      readonly turn: number;
      readonly content: readonly TextPart[];
    }
  /** `is_partial` of one that was stopped while it was written. */
  | {
      readonly type: "step";
      readonly seq: number;
      readonly turn: number;
      readonly step: number;
      readonly message: AssistantMessage;
      readonly is_partial: boolean;
    }
  | ({
      readonly type: "answer";
      readonly seq: number;
      readonly output: Json;
      readonly is_error: boolean;
    } & CallRef)
  /** Stands for all items up to `through`; written in a turn, and gone with it. */
  | {
      readonly type: "summary";
      readonly seq: number;
      readonly turn: number;
      readonly through: number;
      readonly text: string;
    }
  /** Hides all items of the turn. */
  | { readonly type: "rolled_back"; readonly seq: number; readonly turn: number };

type StepItem = Extract<ConversationItem, { type: "step" }>;

/** What the model is told of calls that have no result. */
export const UNANSWERED: Readonly<
  Record<Extract<CallOutcome, "denied" | "expired" | "cancelled" | "interrupted">, string>
> = {
  denied: "The user does not want this call, and it did not run.",
  expired: "Nobody approved this call in time, and it did not run.",
  cancelled: "The call was cancelled, and it did not run.",
  interrupted:
    "The call was interrupted while it ran. Its result is not known: it may have done all, some or nothing of what it was to do. Find out before you repeat it.",
};

const CONTINUE = "Your answer was interrupted here. Go on from where it stops.";

/**
 * The messages for the next step. With at least one message of a user among the items, they are such
 * that `conversationProblem` has nothing to say: calls are followed by their answers, whatever was
 * stopped, rolled back or summed up.
 */
export function modelMessages(items: readonly ConversationItem[]): readonly ModelMessage[] {
  const live = liveItems(items);
  const summary = live.findLast((item) => item.type === "summary");
  const told = live.filter(
    ({ type, seq }) => type !== "summary" && seq > (summary?.through ?? Number.NEGATIVE_INFINITY),
  );
  const answers = answersOf(told);
  const messages = told.flatMap((item, index) => {
    if (item.type === "message") return [{ role: "user", content: item.content } as const];
    if (item.type !== "step") return [];
    return item.is_partial
      ? partialMessages(item, told[index + 1])
      : stepMessages(item, (call) => answers.get(keyOf(item, call.id)));
  });
  if (summary !== undefined) return [summaryMessage(summary.text), ...messages];
  return messages.slice(firstOfUser(messages));
}

/**
 * The `through` of a summary that leaves the items from `from` on as they are, or a little more, so
 * that no step is parted from the answers of its calls. Null when there is nothing to sum up.
 */
export function compactionPoint(items: readonly ConversationItem[], from: number): number | null {
  const live = liveItems(items);
  const covered = live.findLast((item) => item.type === "summary")?.through ?? 0;
  const old = live.filter(({ type, seq }) => type !== "summary" && seq > covered && seq < from);
  const answers = answersOf(old);
  const open = old.findIndex(
    (item) =>
      item.type === "step" &&
      !item.is_partial &&
      toolCallsOf(item.message).some(({ id }) => !answers.has(keyOf(item, id))),
  );
  return (open < 0 ? old : old.slice(0, open)).at(-1)?.seq ?? null;
}

/** Without those that a rollback hides. */
function liveItems(items: readonly ConversationItem[]): readonly ConversationItem[] {
  const gone = new Set(items.flatMap((item) => (item.type === "rolled_back" ? [item.turn] : [])));
  return items.filter(({ turn }) => !gone.has(turn));
}

type Answer = Extract<ConversationItem, { type: "answer" }>;

function answersOf(items: readonly ConversationItem[]): ReadonlyMap<string, Answer> {
  return new Map(
    items.flatMap((item) =>
      item.type === "answer" ? [[keyOf(item, item.call), item] as const] : [],
    ),
  );
}

const keyOf = ({ turn, step }: Omit<CallRef, "call">, call: string) => `${turn}/${step}/${call}`;

function stepMessages(
  { message }: StepItem,
  answerOf: (call: ToolCallPart) => Answer | undefined,
): readonly ModelMessage[] {
  if (message.content.length === 0) return [];
  const results = toolCallsOf(message).map((call) => {
    const { output, is_error } = answerOf(call) ?? {
      output: UNANSWERED.interrupted,
      is_error: true,
    };
    return { type: "tool_result", id: call.id, output, is_error } as const;
  });
  return results.length === 0 ? [message] : [message, { role: "tool", content: results }];
}

/**
 * What there is of a step that was stopped: its text. Thoughts that were cut short are taken back by
 * no provider, and no provider goes on with a message of the model's own that is the last one.
 */
function partialMessages(
  { message }: StepItem,
  next: ConversationItem | undefined,
): readonly ModelMessage[] {
  const text = textOf(message);
  if (text === "") return [];
  const told = { role: "assistant", content: [{ type: "text", text }] } as const;
  return next?.type === "message" ? [told] : [told, userText(CONTINUE)];
}

function summaryMessage(text: string): ModelMessage {
  return userText(`This is a summary of the conversation up to here:\n\n${text}`);
}

function firstOfUser(messages: readonly ModelMessage[]): number {
  const first = messages.findIndex(({ role }) => role === "user");
  return first < 0 ? messages.length : first;
}
