import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { MAX_DELIVERIES } from "./dispatch.ts";

it("MAX_DELIVERIES is what the queue is configured for", () => {
  const consumer = /\[\[queues\.consumers\]\]\nqueue = "pipelzr-dispatch"\n(?:.+\n)*/.exec(
    readFileSync("wrangler.toml", "utf8"),
  );
  const [, retries] = /^max_retries = (\d+)$/m.exec(consumer?.[0] ?? "") ?? [];
  expect(MAX_DELIVERIES).toBe(Number(retries) + 1);
});
