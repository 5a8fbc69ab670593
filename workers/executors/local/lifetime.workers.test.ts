import { describe, expect, it } from "vitest";
import type { Work } from "../port.ts";
import { makeRecorder, startScript } from "./test-support.ts";

/** Ways to keep code going past its own end: each starts `LOOP` or its like, which pings the URL. */
const LOOP = `(async () => {
  for (let n = 0; n < 200; n += 1) {
    await fetch(URL).catch(() => {});
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
})()`;

const WAYS = [
  [
    "an imported waitUntil",
    `import { waitUntil } from "cloudflare:workers";`,
    `waitUntil(${LOOP});`,
  ],
  [
    "a waitUntil imported late",
    "",
    `const { waitUntil } = await import("cloudflare:" + "workers"); waitUntil(${LOOP});`,
  ],
  [
    "a waitUntil of process",
    "",
    `process.getBuiltinModule("cloudflare:workers").waitUntil(${LOOP});`,
  ],
  [
    "a WebSocket to itself",
    "",
    `const [one, two] = Object.values(new WebSocketPair());
    one.accept();
    two.accept();
    two.addEventListener("message", async () => { await fetch(URL).catch(() => {}); two.send(""); });
    one.addEventListener("message", () => setTimeout(() => one.send(""), 5));
    one.send("");`,
  ],
  [
    "the body of a request",
    "",
    `const body = new ReadableStream({
      async pull(controller) {
        await fetch(URL).catch(() => {});
        await new Promise((resolve) => setTimeout(resolve, 5));
        controller.enqueue(new Uint8Array(1));
      },
    });
    void fetch(URL + "/sink", { method: "POST", body }).catch(() => {});`,
  ],
] as const;

const ENDS = ["cancel", "timeout", "return", "throw", "exit"] as const;
const LAST: Readonly<Record<(typeof ENDS)[number], string>> = {
  cancel: "await new Promise((resolve) => setTimeout(resolve, 60_000));",
  timeout: "await new Promise((resolve) => setTimeout(resolve, 60_000));",
  return: `return "returned";`,
  throw: `throw new Error("threw");`,
  exit: "process.exit(3);",
};
const OUTCOMES: Readonly<Record<(typeof ENDS)[number], object>> = {
  cancel: { status: "cancelled" },
  timeout: { status: "failed", reason: "timeout" },
  return: { status: "completed", result: "returned" },
  throw: { status: "failed", code: "script_threw" },
  exit: { status: "failed", exit_code: 3 },
};

const cases = WAYS.flatMap(([name, head, body]) => ENDS.map((end) => ({ name, head, body, end })));

describe("an attempt that has ended", () => {
  /** Stays in the same isolate as what came before, and lasts as long as many pings would. */
  const lasting = "export default () => new Promise((resolve) => setTimeout(resolve, 150))";

  async function pingsAfter(
    end: (typeof ENDS)[number],
    head: string,
    body: string,
    work: Partial<Work>,
  ) {
    const recorder = await makeRecorder();
    const network = { allow: recorder.allow };
    const running = startScript(
      `${head}
      const URL = ${JSON.stringify(recorder.url)};
      export default async () => {
        ${body}
        await new Promise((resolve) => setTimeout(resolve, 40));
        console.log("up");
        ${LAST[end]}
      };`,
      { ...work, network },
    );
    if (end === "cancel" || end === "timeout") {
      await running.logged("up\n");
      running.abort(end);
    }
    expect((await running.ended).outcome).toMatchObject(OUTCOMES[end]);
    const atEnd = await recorder.count();
    expect(atEnd).toBeGreaterThan(0);
    await startScript(lasting, { network }).ended;
    return (await recorder.count()) - atEnd;
  }

  it.each(cases)("by $end leaves nothing behind of $name", async ({ head, body, end }) => {
    expect(await pingsAfter(end, head, body, { isolation: "shared" })).toBe(0);
  });

  it("has had no way to start another in its own isolate", async () => {
    const { outcome } = await startScript(`import { exports } from "cloudflare:workers";
      const late = process.getBuiltinModule("cloudflare:workers");
      export default () => [typeof exports.default, typeof late.exports.default];`).ended;
    expect(outcome).toMatchObject({ result: ["undefined", "undefined"] });
  });

  it.each(ENDS)("by %s leaves nothing behind in an isolate of its own", async (end) => {
    const [, head, body] = WAYS[0];
    expect(await pingsAfter(end, head, body, { isolation: "fresh" })).toBe(0);
  });
});
