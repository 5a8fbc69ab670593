/** The fake as a process of its own: what it prints, and that nothing of it outlasts it. */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { z } from "zod";
import { eventually } from "./fixture.ts";
import { FAKE_API_KEY } from "./server.ts";

const MAIN = join(dirname(fileURLToPath(import.meta.url)), "main.ts");
const stateSchema = z.looseObject({
  isolation: z.string(),
  sandboxes: z.array(z.looseObject({ root: z.string() })),
});

function run(...args: string[]): ChildProcessWithoutNullStreams {
  const child = spawn(process.execPath, [MAIN, ...args]);
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

/** Starts one with a sandbox in it. */
async function running(...args: string[]) {
  const child = run("--port", "0", ...args);
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { port } = z.strictObject({ port: z.int() }).parse(JSON.parse(line));
  const url = `http://127.0.0.1:${port}`;
  const created = await fetch(`${url}/v2/sandboxes`, {
    method: "POST",
    headers: { "x-api-key": FAKE_API_KEY },
    body: JSON.stringify({ templateID: "base", timeout: 60 }),
  });
  expect(created.status).toBe(201);
  const state = stateSchema.parse(await (await fetch(`${url}/__state`)).json());
  const root = state.sandboxes[0]?.root ?? "";
  expect(existsSync(root)).toBe(true);
  return { child, isolation: state.isolation, folder: dirname(root) };
}

it.each(["SIGTERM", "SIGINT"] as const)("leaves nothing after %s", async (signal) => {
  const { child, folder } = await running();
  child.kill(signal);
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(existsSync(folder)).toBe(false);
});

it("stops when its standard input ends, if it watches that", async () => {
  const { child, folder } = await running("--watch-stdin");
  child.stdin.end();
  expect(await once(child, "exit")).toEqual([0, null]);
  expect(existsSync(folder)).toBe(false);
});

it("leaves nothing when it is killed, where namespaces are to be had", async ({ skip }) => {
  const { child, folder, isolation } = await running();
  if (isolation !== "namespaces") skip();
  child.kill("SIGKILL");
  await eventually(() => existsSync(folder)).toBe(false);
});

it("explains itself, and what it does not understand", async () => {
  const output = async (...args: string[]) => {
    const child = run(...args);
    const texts: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => texts.push(chunk.toString("utf8")));
    }
    const [code] = await once(child, "close");
    return { code, text: texts.join("") };
  };
  const [help, wrong] = await Promise.all([output("--help"), output("--port", "http")]);
  expect(help).toMatchObject({ code: 0, text: expect.stringContaining("--watch-stdin") });
  expect(wrong).toMatchObject({ code: 2, text: expect.stringContaining("port") });
});
