/** The main module of a child that searches by structure: one isolate a language. */
import type { StructureLine, StructureParts, StructureRequest } from "../structure-protocol.ts";
import core from "./core.wasm";
import grammar from "./grammar.wasm";
import { Matcher, PatternProblem, startMatcher, TooLong } from "./matcher.ts";
import parts from "./parts.txt";
import astGrep from "./structure.wasm";

let started: Promise<void> | null = null;

/** Some 50 ms of work: where all isolates share a thread, others get their turn after it. */
const CHARS_PER_TURN = 48 * 1024;

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));

async function writeAnswers(request: Request, writer: WritableStreamDefaultWriter<Uint8Array>) {
  const encoder = new TextEncoder();
  const write = (line: StructureLine) => writer.write(encoder.encode(`${JSON.stringify(line)}\n`));
  try {
    // Written by this module's own host.
    const own: StructureParts = JSON.parse(parts);
    started ??= startMatcher({ core, grammar, astGrep, expando: own.expando });
    await started;
    const { pattern, texts, max_places } = await request.json<StructureRequest>();
    const matcher = new Matcher(pattern, own);
    let chars = 0;
    for (const [index, text] of texts.entries()) {
      chars += text.length;
      if (chars > CHARS_PER_TURN) {
        chars = 0;
        await scheduler.wait(0);
      }
      await write({ index, places: placesOf(matcher, text, max_places) });
    }
    await write({ done: true });
  } catch (error) {
    if (error instanceof PatternProblem) {
      await write({ pattern_problem: error.message, at: error.at });
    } else await write({ refused: messageOf(error) });
  }
  await writer.close();
}

function placesOf(matcher: Matcher, text: string, max: number): [number, number][] | null {
  try {
    return matcher.find(text, max);
  } catch (error) {
    if (error instanceof TooLong) return null;
    throw error;
  }
}

export default {
  fetch(request: Request, _: unknown, context: ExecutionContext): Response {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    context.waitUntil(writeAnswers(request, writable.getWriter()));
    return new Response(readable);
  },
};
