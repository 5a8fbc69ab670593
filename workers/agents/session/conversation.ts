/** The stored conversation, as the items that what a model is told is made of. */
import { type ConversationItem, compactionPoint, modelMessages } from "../machine/conversation.ts";
import {
  type AssistantMessage,
  type ModelMessage,
  modelMessageSchema,
  textOf,
  toolCallsOf,
  userText,
} from "../models/messages.ts";
import type { StoredMessage } from "./message-table.ts";

const ASK =
  "Summarise our conversation so far, for somebody who goes on with it and has not read it. Keep what was asked and decided, what was done and with which results, names, paths, ids and figures that are still needed, and what is open. Write the summary alone.";

export interface Compaction {
  /** What the model is asked with. */
  readonly messages: readonly ModelMessage[];
  /** Seq of the newest message that the summary stands for. */
  readonly through: number;
}

/** Of rows that are told to the model, oldest first. */
export function itemsOf(rows: readonly StoredMessage[]): ConversationItem[] {
  return rows.flatMap((row) => itemOf(row) ?? []);
}

function itemOf(row: StoredMessage): ConversationItem | null {
  const { seq, turn, step } = row;
  if (turn === null) return null;
  const role = row.role === "summary" ? "assistant" : row.role;
  const message = modelMessageSchema.parse({ role, content: row.content });
  if (row.role === "summary") {
    // Only what it does not stand for is among the rows.
    return { type: "summary", seq, turn, through: 0, text: textOf(message) };
  }
  if (message.role === "user") {
    return { type: "message", seq, turn, content: message.content };
  }
  if (step === null) return null;
  if (message.role === "assistant") {
    return { type: "step", seq, turn, step, message, is_partial: row.state === "cut" };
  }
  const [result] = message.content;
  if (result === undefined) return null;
  const { id: call, output, is_error } = result;
  return { type: "answer", seq, turn, step, call, output, is_error };
}

/**
 * What is asked to make a summary of all but the newest messages, of which `keepChars` may stay, as
 * JSON; null when there is nothing to summarise.
 */
export function compactionOf(
  items: readonly ConversationItem[],
  keepChars: number,
): Compaction | null {
  let chars = 0;
  const longest = items.findLast((item) => {
    chars += JSON.stringify(item).length;
    return chars > keepChars;
  });
  if (longest === undefined) return null;
  // What is to be answered next is told as it was said.
  const last = items.at(-1);
  const asked = last?.type === "message" ? last.seq : Number.POSITIVE_INFINITY;
  const through = compactionPoint(items, Math.min(asked, longest.seq + 1));
  if (through === null) return null;
  const told = items.filter(({ type, seq }) => type === "summary" || seq <= through);
  const messages = modelMessages(told);
  return messages.length === 0 ? null : { messages: [...messages, userText(ASK)], through };
}

/** The text of a stored message of the model. */
export function storedText({ content }: StoredMessage): string {
  return textOf(modelMessageSchema.parse({ role: "assistant", content }));
}

/** Calls that come twice under one id are told apart, since each is answered under it. */
export function withUniqueCalls(message: AssistantMessage): AssistantMessage {
  const calls = toolCallsOf(message);
  const ids = new Set<string>();
  if (new Set(calls.map(({ id }) => id)).size === calls.length) return message;
  const content = message.content.map((part) => {
    if (part.type !== "tool_call") return part;
    let { id } = part;
    for (let copy = 2; ids.has(id); copy += 1) id = `${part.id}_${copy}`;
    ids.add(id);
    return { ...part, id };
  });
  return { role: "assistant", content };
}
