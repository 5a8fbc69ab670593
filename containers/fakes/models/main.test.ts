/** The fake as a process of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it, onTestFinished } from "vitest";
import { z } from "zod";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

function run(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, ...args]);
  onTestFinished(() => void child.kill("SIGKILL"));
  return child;
}

it.each(["SIGTERM", "stdin"])("serves until %s", async (end) => {
  const child = run("--watch-stdin", "--model", "claude-opus-5-5");
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  const { port } = z.strictObject({ port: z.int() }).parse(JSON.parse(line));
  const response = await fetch(`http://127.0.0.1:${port}/v1/messages`, {
    method: "POST",
    body: "{}",
  });
  expect(response.status).toBe(401);
  if (end === "stdin") child.stdin.end();
  else child.kill("SIGTERM");
  expect(await once(child, "exit")).toEqual([0, null]);
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
