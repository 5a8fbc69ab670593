import { createHmac } from "node:crypto";
import { describe, expect, it } from "vitest";
import { newSecret } from "./signature.ts";
import { seal, senderTo, storedWebhook } from "./test-support.ts";

/** As a receiver verifies it. */
function isSigned(headers: Headers, body: string, secret: string): boolean {
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const content = `${headers.get("webhook-id")}.${headers.get("webhook-timestamp")}.${body}`;
  const expected = `v1,${createHmac("sha256", key).update(content).digest("base64")}`;
  return headers.get("webhook-signature")?.split(" ").includes(expected) ?? false;
}

const EVENT = { id: "evt_1", type: "task.completed", body: '{"type":"task.completed","name":"ü"}' };

describe("the sender", () => {
  it("signs with the secret, and while it is rotated with the one before", async () => {
    const seen: { headers: Headers; body: string }[] = [];
    const sender = senderTo(async (request) => {
      seen.push({ headers: request.headers, body: await request.text() });
      return new Response("thanks");
    });
    const before = newSecret();
    const { row, secret } = await storedWebhook();
    const previous_secret = await seal(row.id, 0, before);
    const rotated = { ...row, previous_secret };
    await sender.send({ ...rotated, previous_until: Date.now() + 60_000 }, EVENT, { "x-a": "b" });
    const sent = await sender.send({ ...rotated, previous_until: Date.now() - 1 }, EVENT, {});
    expect(sent).toMatchObject({ status_code: 200, error: null, answer: "thanks" });
    const verdicts = seen.map(({ headers, body }) =>
      [secret, before].map((each) => isSigned(headers, body, each)),
    );
    expect(verdicts).toEqual([
      [true, true],
      [true, false],
    ]);
    expect(seen[0]?.headers.get("x-a")).toBe("b");
    expect(seen[0]?.body).toBe(EVENT.body);
  });

  it("refuses an address that is private by now", async () => {
    const { row } = await storedWebhook({ url: "http://192.168.0.1/" });
    const sender = senderTo(async () => new Response("reached"));
    const sent = await sender.send(row, EVENT, {});
    expect(sent).toMatchObject({ status_code: null, answer: "" });
    expect(sent.error).toContain("not public");
  });

  it("reads the beginning of an answer alone", async () => {
    const { row } = await storedWebhook();
    const sender = senderTo(async () => new Response("x".repeat(1_000_000), { status: 400 }));
    const { answer, error } = await sender.send(row, EVENT, {});
    expect(answer).toHaveLength(1_000);
    expect(error).toBe(`It answered 400: ${"x".repeat(200)}`);
  });

  it("says when the secret cannot be read", async () => {
    const { row } = await storedWebhook();
    const other = await seal("another", 1, newSecret());
    const sender = senderTo(async () => new Response("reached"));
    await expect(sender.send({ ...row, secret: other }, EVENT, {})).rejects.toMatchObject({
      ...{ code: "misconfigured", detail: expect.stringContaining("rotate-secret") },
    });
  });
});
