/** Summaries, which tell a model what a conversation that grew too long has come to. */
import { type ModelMessage, userText } from "../models/messages.ts";
import { messagesOf, type Unit } from "./conversation.ts";

const ASK =
  "Summarise our conversation so far, for somebody who goes on with it and has not read it. Keep what was asked and decided, what was done and with which results, names, paths, ids and figures that are still needed, and what is open. Write the summary alone.";

/** Of the length at which a conversation is summarised, how much stays as it was said. */
export const KEPT_SHARE = 0.25;

export interface Compaction {
  readonly messages: readonly ModelMessage[];
  /** Seq of the newest message that the summary stands for. */
  readonly up_to: number;
}

/**
 * What is asked to make a summary of all but the newest units; null when there is nothing to
 * summarise. `keepChars` says how much of the newest may stay, as JSON.
 */
export function compactionOf(units: readonly Unit[], keepChars: number): Compaction | null {
  let chars = 0;
  let from = units.length;
  while (from > 0) {
    const unit = units[from - 1];
    if (unit === undefined) break;
    chars += JSON.stringify(unit.messages).length;
    if (chars > keepChars) break;
    from -= 1;
  }
  const told = units.slice(0, from);
  const up_to = Math.max(0, ...told.map(({ seq }) => seq));
  return up_to === 0 ? null : { messages: [...messagesOf(told), userText(ASK)], up_to };
}
