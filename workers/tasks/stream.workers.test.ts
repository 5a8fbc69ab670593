/** Following output over HTTP, and leaving before the run ends. */
import { createExecutionContext, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it, vi } from "vitest";
import { z } from "zod";
import worker from "../index.ts";
import { objectName } from "../runs/address.ts";
import { DEV_KEY } from "../test/app.ts";

const SCRIPT = `export default async () => {
  console.log("here");
  await new Promise((done) => setTimeout(done, 60_000));
}`;

function call(path: string, init: { method?: string; body?: string } = {}): Promise<Response> {
  const headers = {
    Prefer: "respond-async",
    Authorization: `Bearer ${DEV_KEY}`,
    "Content-Type": "application/json",
  };
  const request = new Request(`http://localhost/api/v1${path}`, { ...init, headers });
  return Promise.resolve(worker.fetch(request, env, createExecutionContext()));
}

describe("following a task's output", () => {
  it("leaves no watcher behind when the reader leaves", async () => {
    const body = JSON.stringify({ name: "chatty", script: SCRIPT });
    const created = await call("/tasks", { method: "POST", body });
    const { id } = z.object({ id: z.string() }).parse(await created.json());
    await call(`/tasks/${id}/execute`, { method: "POST", body: "" });
    const watchers = () =>
      runInDurableObject(
        env.RUN_COORDINATOR.getByName(objectName(id)),
        (_, state) => state.getWebSockets(id).length,
      );
    const reader = (await call(`/tasks/${id}/logs?follow=true`)).body?.getReader();
    const { value } = (await reader?.read()) ?? {};
    expect(new TextDecoder().decode(value)).toBe("here\n");
    expect(await watchers()).toBe(1);
    void reader?.cancel();
    await vi.waitFor(async () => expect(await watchers()).toBe(0));
    await call(`/tasks/${id}/cancel`, { method: "POST", body: "" });
  });
});
