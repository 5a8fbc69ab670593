/** When an attempt counts as silent. The clock of these tests is their own. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Attempt } from "./attempt.ts";
import { ModelError } from "./port.ts";
import type { Endpoint } from "./providers.ts";

const STALL_MS = 1_000;
const ENDPOINT: Endpoint = {
  provider: "openai",
  label: "The server",
  base_url: "http://models.test/v1",
  api_key: null,
  variables: { key: "OPENAI_API_KEY", base_url: "OPENAI_BASE_URL" },
};

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** An attempt whose answer is written by the test. */
async function open() {
  const body = new TransformStream<Uint8Array, Uint8Array>();
  const headers = { "content-type": "text/event-stream" };
  vi.stubGlobal("fetch", async () => new Response(body.readable, { headers }));
  const attempt = new Attempt(new AbortController().signal, ENDPOINT, STALL_MS);
  const response = await attempt.wait(attempt.fetch("http://models.test"));
  const reader = response.body?.getReader();
  const writer = body.writable.getWriter();
  const read = () => attempt.wait(reader?.read() ?? Promise.reject(new Error("no body")));
  return { attempt, read, write: () => writer.write(new Uint8Array([58])) };
}

it("is silent when nothing comes for so long while something is awaited", async () => {
  const { attempt, read } = await open();
  const outcome = read().catch((error: unknown) => error);
  await vi.advanceTimersByTimeAsync(STALL_MS - 1);
  expect(attempt.signal.aborted).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  const error = await outcome;
  expect(error).toBeInstanceOf(ModelError);
  expect(error).toMatchObject({ code: "model_stalled", message: expect.stringContaining("1 s") });
  expect(attempt.signal.aborted).toBe(true);
});

it("takes every byte as a sign of life, whatever it comes to", async () => {
  const { attempt, read, write } = await open();
  // No event comes of comments: the one that is awaited is behind them.
  const event = attempt.wait(Promise.all([read(), read(), read()]));
  for (let comment = 0; comment < 3; comment += 1) {
    await vi.advanceTimersByTimeAsync(STALL_MS - 1);
    await write();
  }
  await event;
  expect(attempt.signal.aborted).toBe(false);
});

it("does not count the time in which its reader is busy", async () => {
  const { attempt, read, write } = await open();
  void write();
  await read();
  await vi.advanceTimersByTimeAsync(10 * STALL_MS);
  expect(attempt.signal.aborted).toBe(false);
});

it("leaves neither timer nor listener behind", async () => {
  const caller = new AbortController();
  const remove = vi.spyOn(caller.signal, "removeEventListener");
  const attempt = new Attempt(caller.signal, ENDPOINT, STALL_MS);
  await attempt.wait(Promise.resolve());
  attempt.close();
  expect(vi.getTimerCount()).toBe(0);
  expect(remove).toHaveBeenCalledOnce();
  expect(attempt.signal.aborted).toBe(true);
});
