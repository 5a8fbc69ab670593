/** What turns have come to. */
import type { Json } from "../../http/json.ts";
import { SUBMIT_RESULT, submittedResult } from "../result-tool.ts";
import type { SentMessage } from "../session-port.ts";
import { storedText } from "./conversation.ts";
import type { SessionEngine } from "./engine.ts";

/** Null while the turn has not ended. */
export function replyOf(engine: SessionEngine, number: number): SentMessage["reply"] {
  const { turns, messages } = engine.store;
  const turn = turns.get(number);
  if (turn === null || turn.stop_reason === null) return null;
  // Of a step that a pause stopped, what was written before it and what after.
  const text = messages.lastOf(number).map(storedText).join("");
  return { text, stop_reason: turn.stop_reason, result: resultOf(engine, number) };
}

/** What the turn has handed in last; null for nothing. */
function resultOf({ head, store }: SessionEngine, turn: number): Json {
  const { outputs } = head.spec;
  const call = outputs && store.calls.lastSucceeded(turn, SUBMIT_RESULT);
  return call ? submittedResult(outputs, call.input) : null;
}
