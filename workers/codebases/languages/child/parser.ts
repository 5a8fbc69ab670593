/** The main module of a parser child: one isolate a language, one answer line a file. */

import { emptyAnswer } from "../empty-answer.ts";
import type { ParseRequest } from "../parsed-file.ts";
import type { ChildParts } from "../traits.ts";
import { type Analyzer, analyze } from "./analyze.ts";
import core from "./core.wasm";
import { Engine, startCore } from "./engine.ts";
import grammar from "./grammar.wasm";
import parts from "./parts.txt";

/** There only where the language embeds scripts, which the bundler cannot know. */
const EMBEDDED: string = "./embedded.wasm";

async function start(): Promise<Analyzer> {
  // Written by this module's own host, which validates what comes from elsewhere.
  const { own, embedded }: ChildParts = JSON.parse(parts);
  await startCore(core);
  const analyzer = { engine: new Engine(grammar, own.query), traits: own.traits, embedded: null };
  if (embedded === null) return analyzer;
  const scripts: { default: WebAssembly.Module } = await import(EMBEDDED);
  const engine = new Engine(scripts.default, embedded.query);
  return { ...analyzer, embedded: { engine, traits: embedded.traits } };
}

let started: Promise<Analyzer> | null = null;

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Some 50 ms of work: where all isolates share a thread, others get their turn after it. */
const CHARS_PER_TURN = 64 * 1024;

/** Set when wasm has trapped: its memory can no longer be trusted. */
let trapped: string | null = null;

function answer(index: number, text: string, analyzer: Analyzer): string {
  try {
    return JSON.stringify(analyze(index, text, analyzer));
  } catch (error) {
    if (error instanceof WebAssembly.RuntimeError) trapped = messageOf(error);
    const message = `The parser failed on this file: ${messageOf(error)}. It is searched as text alone.`;
    return JSON.stringify(emptyAnswer(index, { code: "parse_failed", message }));
  }
}

async function writeAnswers(request: Request, writer: WritableStreamDefaultWriter<Uint8Array>) {
  const encoder = new TextEncoder();
  const write = (line: object | string) =>
    writer.write(encoder.encode(`${typeof line === "string" ? line : JSON.stringify(line)}\n`));
  try {
    started ??= start();
    const analyzer = await started;
    const { files } = await request.json<ParseRequest>();
    let chars = 0;
    for (const { index, text } of files) {
      if (trapped !== null) break;
      chars += text.length;
      if (chars > CHARS_PER_TURN) {
        chars = 0;
        await scheduler.wait(0);
      }
      // Awaited, so that a line is out before the next file can take the isolate down.
      await write(answer(index, text, analyzer));
    }
    await write(trapped === null ? { done: true } : { trapped });
  } catch (error) {
    await write({ refused: messageOf(error) });
  }
  await writer.close();
}

export default {
  fetch(request: Request, _: unknown, context: ExecutionContext): Response {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    context.waitUntil(writeAnswers(request, writable.getWriter()));
    return new Response(readable);
  },
};
