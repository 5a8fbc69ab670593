/** Scripts, faults, and what can be seen of requests. */
import { expect, it } from "vitest";
import { z } from "zod";
import { dataOf, fakeFor, postAnthropic, postOpenAi } from "./fixture.ts";

const PATIENCE_MS = 15_000;
const recordsSchema = z.array(z.looseObject({ protocol: z.string(), state: z.string() }));
const text = { content: [{ type: "text" as const, text: ["one", "two", "three"] }] };

it("answers what is queued in order, then asks the responder, and says when there is nothing", async () => {
  const fake = await fakeFor({
    responder: ({ number }) =>
      number === 2 ? { content: [{ type: "text", text: "by function" }] } : undefined,
  });
  fake.enqueue({ content: [{ type: "text", text: "queued" }] });
  expect(await (await postAnthropic(fake, {})).text()).toContain("queued");
  expect(await (await postOpenAi(fake, {})).text()).toContain("by function");
  const empty = await postAnthropic(fake, {});
  expect(empty.status).toBe(400);
  expect(await empty.text()).toContain("no reply queued");
  expect(fake.requests.map(({ protocol }) => protocol)).toEqual([
    "anthropic",
    "openai",
    "anthropic",
  ]);
});

it("refuses with the status, the headers and the words of a fault", async () => {
  const fake = await fakeFor();
  const headers = { "retry-after": "7" };
  fake.enqueue({ fault: { kind: "status", status: 429, message: "slow down", headers } });
  const response = await postAnthropic(fake, { stream: true });
  expect(response.status).toBe(429);
  expect(response.headers.get("retry-after")).toBe("7");
  expect(await response.json()).toMatchObject({
    error: { type: "rate_limit_error", message: "slow down" },
  });
});

it("ends a stream too early, in order or by breaking it", async () => {
  const fake = await fakeFor();
  fake.enqueue({ ...text, fault: { kind: "cut", after_events: 2 } });
  fake.enqueue({ ...text, fault: { kind: "cut", after_events: 2, breaks: true } });
  expect(dataOf(await (await postOpenAi(fake, { stream: true })).text())).toHaveLength(2);
  const broken = await postOpenAi(fake, { stream: true });
  await expect(broken.text()).rejects.toThrow();
});

it("spoils one event and goes on", async () => {
  const fake = await fakeFor();
  fake.enqueue({ ...text, fault: { kind: "malformed", after_events: 1 } });
  const stream = await (await postOpenAi(fake, { stream: true })).text();
  expect(stream).toContain('{"type":"content_blo\n');
  expect(stream).toContain("[DONE]");
});

it("answers as something else does", async () => {
  const fake = await fakeFor();
  fake.enqueue(
    { fault: { kind: "content_type" } },
    { fault: { kind: "redirect", location: "/x" } },
  );
  const page = await postOpenAi(fake, { stream: true });
  expect(page.headers.get("content-type")).toBe("text/html");
  expect((await postOpenAi(fake, { stream: true })).status).toBe(307);
});

it("holds a stream until it is released", async () => {
  const fake = await fakeFor();
  fake.enqueue({ ...text, fault: { kind: "hold", after_events: 1 } });
  const response = await postOpenAi(fake, { stream: true });
  const reader = response.body?.getReader();
  await reader?.read();
  expect(fake.requests.map(({ state }) => state)).toEqual(["open"]);
  fake.release();
  while ((await reader?.read())?.done === false);
  await expect
    .poll(() => fake.requests.map(({ state }) => state), { timeout: PATIENCE_MS })
    .toEqual(["answered"]);
});

it("sees a client that leaves", async () => {
  const fake = await fakeFor();
  fake.enqueue({ fault: { kind: "hold", after_events: null } });
  const leaving = new AbortController();
  const asked = postAnthropic(fake, { stream: true }, { signal: leaving.signal });
  await expect.poll(() => fake.requests.length, { timeout: PATIENCE_MS }).toBe(1);
  leaving.abort();
  await expect(asked).rejects.toThrow();
  await expect
    .poll(() => fake.requests.map(({ state }) => state), { timeout: PATIENCE_MS })
    .toEqual(["aborted"]);
});

it("is scripted from other processes", async () => {
  const fake = await fakeFor();
  const admin = (method: string, path: string, body?: unknown) =>
    fetch(fake.url + path, { method, ...(body !== undefined && { body: JSON.stringify(body) }) });
  expect((await admin("POST", "/__replies", [{ content: "no" }])).status).toBe(400);
  const queued = await admin("POST", "/__replies", [text]);
  expect(await queued.json()).toEqual({ queued: 1 });
  expect((await postAnthropic(fake, {})).status).toBe(200);
  const requests = recordsSchema.parse(await (await admin("GET", "/__requests")).json());
  expect(requests).toMatchObject([
    { protocol: "anthropic", path: "/v1/messages", state: "answered" },
  ]);
  expect((await admin("DELETE", "/__state")).status).toBe(204);
  expect(fake.requests).toEqual([]);
  expect((await admin("GET", "/__nothing")).status).toBe(404);
});
