/** What a model is told: the stored conversation, as one that every provider takes. */
import {
  type AssistantMessage,
  type ModelMessage,
  modelMessageSchema,
  type TextPart,
  textOf,
  toolCallsOf,
  userText,
} from "../models/messages.ts";
import type { StoredMessage } from "./message-table.ts";

/** What stands or falls together: a message, and with calls also their results. */
export interface Unit {
  readonly messages: readonly ModelMessage[];
  /** Of its newest row; 0 of a summary, which stands in front of rows that are older. */
  readonly seq: number;
}

/**
 * The conversation, oldest first, the summary of what was before it in front. `liveTurn` is under
 * way: what a step of it has left half written is written again.
 */
export function unitsOf(rows: readonly StoredMessage[], liveTurn: number | null): Unit[] {
  const summaries = rows.filter(({ role }) => role === "summary");
  const rest = rows.filter(({ role }) => role !== "summary");
  const units: { messages: ModelMessage[]; seq: number }[] = [];
  for (const row of [...summaries, ...rest]) {
    const message = messageOf(row, liveTurn);
    if (message === null) continue;
    const last = units.at(-1);
    if (message.role !== "tool" || last === undefined) {
      units.push({ messages: [message], seq: row.role === "summary" ? 0 : row.seq });
      continue;
    }
    const before = last.messages.at(-1);
    if (before?.role === "tool") {
      const content = [...before.content, ...message.content];
      last.messages[last.messages.length - 1] = { role: "tool", content };
    } else last.messages.push(message);
    last.seq = row.seq;
  }
  return units;
}

export function messagesOf(units: readonly Unit[]): ModelMessage[] {
  return units.flatMap(({ messages }) => messages);
}

/** Null for what is not told. */
function messageOf(row: StoredMessage, liveTurn: number | null): ModelMessage | null {
  if (row.role === "summary") {
    return userText(`What was said before, summarised:\n\n${textIn(row)}`);
  }
  if (row.role === "assistant" && row.state === "cut") {
    const text = row.turn === liveTurn ? "" : textIn(row);
    return text === "" ? null : { role: "assistant", content: [{ type: "text", text }] };
  }
  const message = modelMessageSchema.parse({ role: row.role, content: row.content });
  if (message.role === "user") return withAttachments(message.content, row.attachments);
  return message.content.length === 0 ? null : message;
}

function withAttachments(
  content: readonly TextPart[],
  attachments: readonly string[],
): ModelMessage {
  if (attachments.length === 0) return { role: "user", content };
  const text = `Attached artifacts: ${attachments.join(", ")}`;
  return { role: "user", content: [...content, { type: "text", text }] };
}

function textIn({ content }: StoredMessage): string {
  return textOf(modelMessageSchema.parse({ role: "assistant", content }));
}

/** The text of a stored message of the model. */
export function storedText(message: StoredMessage | null): string {
  return message === null ? "" : textIn(message);
}

/** Calls that come twice under one id are told apart, since each is answered under it. */
export function withUniqueCalls(message: AssistantMessage): AssistantMessage {
  const ids = new Set<string>();
  if (new Set(toolCallsOf(message).map(({ id }) => id)).size === toolCallsOf(message).length) {
    return message;
  }
  const content = message.content.map((part) => {
    if (part.type !== "tool_call") return part;
    let id = part.id;
    for (let copy = 2; ids.has(id); copy += 1) id = `${part.id}_${copy}`;
    ids.add(id);
    return { ...part, id };
  });
  return { role: "assistant", content };
}
