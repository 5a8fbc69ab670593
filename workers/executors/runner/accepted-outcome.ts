/** Holds what a runner says of an attempt's end within what can be stored and handed on. */
import { findUnsafeJson } from "../../http/json.ts";
import { checkResult, failed } from "../outcome.ts";
import type { Outcome } from "../port.ts";

const MAX_MESSAGE_CHARS = 16 * 1024;
const MAX_CODE_CHARS = 100;

/**
 * The outcome as it was sent when it can be stored. Otherwise one that can be, and says why: an end
 * that nobody could take would be sent again forever.
 */
export function acceptedOutcome(sent: Outcome): Outcome {
  if (sent.status === "cancelled") return sent;
  const [issue] = findUnsafeJson(sent.result);
  if (issue !== undefined && sent.status === "completed") {
    const where = issue.path === "" ? "" : ` at "${issue.path}"`;
    return failed(
      "error",
      "output_invalid",
      `The result cannot be stored${where}: ${issue.message} Return plain JSON.`,
      { exit_code: sent.exit_code },
    );
  }
  const checked = checkResult(issue === undefined ? sent : { ...sent, result: null }, null);
  if (checked.status !== "failed") return checked;
  return {
    ...checked,
    code: checked.code.slice(0, MAX_CODE_CHARS),
    message: checked.message.slice(0, MAX_MESSAGE_CHARS).toWellFormed(),
  };
}
