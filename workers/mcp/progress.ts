/** What happens during a call, as progress notifications to a client that asked for them. */
import type { ServerContext } from "@modelcontextprotocol/server";
import { logWarning } from "../http/log.ts";
import type { Tell } from "./waiting.ts";

/** What prints faster is told of in part. */
const INTERVAL_MS = 50;

/** Null for a client that did not ask. */
export function progressOf({ mcpReq }: ServerContext): Tell | null {
  const progressToken = mcpReq._meta?.progressToken;
  if (progressToken === undefined) return null;
  let progress = 0;
  let told_at = 0;
  return (message) => {
    // How much is left is not known: the number only tells that something happens.
    progress += 1;
    const now = Date.now();
    if (now - told_at < INTERVAL_MS) return;
    told_at = now;
    const params = { progressToken, progress, message };
    mcpReq
      .notify({ method: "notifications/progress", params })
      .catch((error: unknown) => logWarning("mcp_progress_not_told", error, {}));
  };
}
