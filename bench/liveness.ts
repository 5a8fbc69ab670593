/** How long the service keeps others waiting while it works. */
import { Agent } from "node:http";
import { setTimeout as delay } from "node:timers/promises";
import { ask } from "./http.ts";

const PAUSE_MS = 50;

/** Begins to ask for `/health` again and again; the function that it returns tells the longest wait. */
export function watchHealth(url: string): () => Promise<number> {
  const agent = new Agent({ keepAlive: true });
  let isOver = false;
  let longest_ms = 0;
  const watching = (async () => {
    while (!isOver) {
      const health = { url: `${url}/health`, method: "GET", headers: {}, body: null } as const;
      longest_ms = Math.max(longest_ms, (await ask(agent, health)).took_ms);
      await delay(PAUSE_MS);
    }
  })();
  // It is waited for below, after the work, which tells of a service that is gone more clearly.
  watching.catch(() => undefined);
  return async () => {
    isOver = true;
    await watching;
    agent.destroy();
    return longest_ms;
  };
}
