/** The demo's codebase: this repository pushed, searched, mapped, and mounted into a task. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { z } from "zod";
import { Api } from "../lib/api.ts";
import { rootPath } from "../lib/paths.ts";
import { table } from "./display.ts";
import { demand, equal } from "./expect.ts";
import { CODEBASE, type Sources } from "./sources.ts";
import type { Stage } from "./stage.ts";
import { inFigures, inTime } from "./words.ts";

const MAP_TOKENS = 400;
const DEFINITION = "RunCoordinatorBase";
const EXPRESSION = "export (?:async )?function \\w+";

const snapshotSchema = z.object({
  number: z.number(),
  state: z.string(),
  root: z.string().nullable(),
  symbols: z.object({ parsed: z.number(), of: z.number() }),
});
const pushedSchema = z.object({
  snapshot: snapshotSchema,
  missing: z.array(z.object({ path: z.string() })),
});
const searchSchema = z.object({
  items: z.array(
    z.object({
      path: z.string(),
      score: z.number(),
      matches: z.array(z.object({ line: z.number(), text: z.string() })),
    }),
  ),
  next_cursor: z.string().nullable(),
  receipt: z.object({ files: z.number(), searched: z.number(), exhaustive: z.boolean() }),
});
const taskSchema = z.object({ state: z.string(), result: z.unknown(), error: z.unknown() });

/** As git names content. */
function oidOf(content: Buffer): string {
  return createHash("sha1").update(`blob ${content.byteLength}\0`).update(content).digest("hex");
}

class CodebaseDemo {
  readonly #api: Api;
  readonly #stage: Stage;
  #path = "";

  constructor(stage: Stage) {
    this.#stage = stage;
    this.#api = new Api(stage.url, stage.key);
  }

  async perform(): Promise<void> {
    console.log("This repository as a codebase: pushed by its manifest, then searched.\n");
    const { number, took } = await this.#push(this.#stage.sources);
    const symbols = await this.#untilParsed(number);
    const seconds = (ms: number) => inTime(ms);
    console.log(
      `  ${inFigures(this.#stage.sources.size)} files searchable after ${seconds(took)}, the symbols of ${inFigures(symbols.of)} known ${seconds(symbols.took)} later\n`,
    );
    await this.#search();
    await this.#map();
    await this.#mount();
  }

  async #push(sources: Sources): Promise<{ number: number; took: number }> {
    const began = performance.now();
    const created = await this.#api.call("POST", "/codebases", { json: { name: CODEBASE } });
    const { id } = z.object({ id: z.string() }).parse(await created.json());
    this.#path = `/codebases/${id}`;
    const files = [...sources].map(([path, text]) => {
      const content = Buffer.from(text);
      return [path, oidOf(content), content.byteLength];
    });
    const begun = await this.#api.call("POST", `${this.#path}/manifest`, { json: { files } });
    const { snapshot, missing } = pushedSchema.parse(await begun.json());
    equal(missing.length > 0, true, "whether contents are missing");
    const { stdout } = spawnSync("tar", ["czf", "-", "--null", "-T", "-"], {
      cwd: rootPath(),
      input: missing.map(({ path }) => path).join("\0"),
      maxBuffer: 1 << 30,
    });
    const sent = await this.#api.call("POST", `${this.#path}/snapshots/${snapshot.number}/blobs`, {
      bytes: new Uint8Array(stdout),
    });
    const pushed = pushedSchema.parse(await sent.json());
    equal(pushed.snapshot.state, "ready", "the state of the snapshot");
    return { number: snapshot.number, took: performance.now() - began };
  }

  async #untilParsed(number: number): Promise<{ of: number; took: number }> {
    const began = performance.now();
    for await (const event of this.#api.events(`${this.#path}/events?snapshot=${number}`)) {
      if (event.type === "snapshot.failed") throw new Error(JSON.stringify(event));
    }
    const reply = await this.#api.call("GET", `${this.#path}/snapshots/${number}`);
    const { symbols } = snapshotSchema.parse(await reply.json());
    equal(symbols.parsed, symbols.of, "the files whose symbols are known");
    return { of: symbols.of, took: performance.now() - began };
  }

  async #search(): Promise<void> {
    const first = await this.#page({ q: DEFINITION, limit: "4", max_matches: "1" });
    const rows = first.items.map(({ path, score, matches }) => [
      path,
      inFigures(Math.round(score)),
      (matches[0]?.text ?? "").trim().slice(0, 60),
    ]);
    console.log(`${table([DEFINITION, "score", "line"], rows)}\n`);
    demand(
      first.items[0]?.matches[0]?.text.includes(`class ${DEFINITION}`) === true,
      `the definition of ${DEFINITION} is not what is found first`,
    );
    const began = performance.now();
    const parameters = { q: `content:/${EXPRESSION}/ case:yes`, limit: "200", max_matches: "500" };
    const lines = new Set<string>();
    let page = await this.#page(parameters);
    for (;;) {
      for (const { path, matches } of page.items) {
        for (const { line } of matches) lines.add(`${path}:${line}`);
      }
      if (page.next_cursor === null) break;
      page = await this.#page({ ...parameters, cursor: page.next_cursor });
    }
    equal(lines.size, countLines(this.#stage.sources), `the lines with /${EXPRESSION}/`);
    equal(page.receipt.exhaustive, true, "whether everything was searched");
    console.log(
      `  /${EXPRESSION}/ is on ${inFigures(lines.size)} lines, found in ${inTime(performance.now() - began)}; Node counts as many\n`,
    );
  }

  async #page(parameters: Readonly<Record<string, string>>) {
    const query = new URLSearchParams(parameters);
    const reply = await this.#api.call("GET", `${this.#path}/search?${query}`);
    return searchSchema.parse(await reply.json());
  }

  async #map(): Promise<void> {
    const query = new URLSearchParams({ max_tokens: String(MAP_TOKENS) });
    const reply = await this.#api.call("GET", `${this.#path}/map?${query}`);
    const { text, tokens } = z
      .object({ text: z.string(), tokens: z.number() })
      .parse(await reply.json());
    demand(tokens <= MAP_TOKENS, `the map has ${tokens} tokens, more than was asked for`);
    console.log(`What matters most in it, in ${tokens} tokens:\n`);
    console.log(`${text.trimEnd().replaceAll(/^/gm, "  ")}\n`);
  }

  async #mount(): Promise<void> {
    const reply = await this.#api.call("POST", "/tasks", {
      json: {
        name: "count what is mounted",
        codebase: "pipelzr",
        command: `find code/workers -name '*.ts' | wc -l | tee count.txt; echo "files=$(cat count.txt)" >> "$PIPELZR_OUTPUT"`,
        execute: true,
      },
    });
    const { state, result, error } = taskSchema.parse(await reply.json());
    equal(state, "completed", `the state of the task (${JSON.stringify(error)})`);
    const { files } = z.object({ files: z.coerce.number() }).parse(result);
    const expected = [...this.#stage.sources.keys()].filter((path) =>
      /^workers\/.*\.ts$/.test(path),
    );
    equal(files, expected.length, "the files that the task sees");
    console.log(
      `  A task with it mounted counts ${inFigures(files)} files in workers/, as Node does\n`,
    );
  }
}

function countLines(sources: Sources): number {
  const expression = new RegExp(EXPRESSION);
  return [...sources.values()].reduce(
    (sum, text) => sum + text.split("\n").filter((line) => expression.test(line)).length,
    0,
  );
}

/** Resolves with how many problems there were. */
export async function performCodebase(stage: Stage): Promise<number> {
  try {
    await new CodebaseDemo(stage).perform();
    return 0;
  } catch (error) {
    if (stage.interruption.aborted) return 0;
    console.log(`\n✗ The codebase: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
