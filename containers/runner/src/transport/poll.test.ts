import { once } from "node:events";
import { expect, it, vi } from "vitest";
import {
  exchangeRequestSchema,
  type FromRunner,
  MAX_EXCHANGE_BYTES,
} from "../../../../workers/executors/runner/protocol.ts";
import { createPollTransport } from "./poll.ts";

const settings = { pingMs: () => 60_000, isBusy: () => false };
const deaf = { frame: () => {}, invalid: () => {}, closed: () => {} };
const heartbeat: FromRunner = {
  type: "heartbeat",
  running: [],
  task_types: [],
  unavailable: {},
  draining: true,
};

it("its end waits for no exchange, and is said with the last frames", async () => {
  const bodies: unknown[] = [];
  const transport = createPollTransport({
    async post(_, body, signal) {
      bodies.push(JSON.parse(body));
      // Waits as the service does that has nothing to say, unless it is told that this is the end.
      if (bodies.length === 1) await once(signal, "abort");
      return { frames: [] };
    },
  });
  const connection = await transport.open(deaf, settings);
  connection.send(heartbeat);
  await vi.waitFor(() => expect(bodies).toHaveLength(1));
  connection.send(heartbeat);
  await connection.end();
  await connection.end();
  expect(bodies).toMatchObject([
    { frames: [heartbeat], wait_ms: expect.any(Number) },
    { frames: [heartbeat], wait_ms: 0, ends: true },
  ]);
});

it("its end is no failure where no service hears of it", async () => {
  const transport = createPollTransport({ post: () => Promise.reject(new Error("gone")) });
  const connection = await transport.open(deaf, settings);
  await expect(connection.end()).resolves.toBeUndefined();
});

it("an exchange holds what the service takes at once, and the rest follows in order", async () => {
  const sizes: number[] = [];
  const heard: unknown[] = [];
  const transport = createPollTransport({
    async post(_, body, signal) {
      sizes.push(Buffer.byteLength(body));
      const { frames } = exchangeRequestSchema.parse(JSON.parse(body));
      heard.push(...frames);
      // As the service does, it answers an exchange without frames when there is something to say.
      if (frames.length === 0) await once(signal, "abort");
      return { frames: [] };
    },
  });
  const connection = await transport.open(
    { frame: () => {}, invalid: () => {}, closed: () => {} },
    { pingMs: () => 1_000, isBusy: () => true },
  );
  const large = "x".repeat(MAX_EXCHANGE_BYTES / 3);
  const frames = [1, 2, 3, 4, 5].map(
    (epoch): FromRunner => ({
      ...{ type: "complete", attempt: "a/1/0", epoch, output: 0 },
      outcome: { status: "completed", exit_code: 0, result: large },
    }),
  );
  for (const frame of frames) connection.send(frame);
  await vi.waitFor(() => expect(heard.length).toBe(frames.length), 10_000);
  connection.close();
  expect(heard).toEqual(frames);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_EXCHANGE_BYTES);
});
