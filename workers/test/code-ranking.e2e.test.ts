/** What is found first: the definition of a name, and the function that a sentence describes. */
import { globSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { blobOid } from "../codebases/intake/git-objects.ts";
import { tarOf } from "../codebases/intake/test-support-archives.ts";
import { searchSchema } from "../codebases/reading-schemas.ts";
import { codebaseSchema, pushedSchema, snapshotSchema } from "../codebases/schemas.ts";
import { Client } from "./client.ts";
import { TestService } from "./service.ts";

/** The goals of the index: definitions first, and the mean of 1/rank among the first ten. */
const DEFINITION_FIRST = 0.98;
const MEAN_RECIPROCAL_RANK = 0.3;
const MAX_CASES = 120;

/** A part of this repository, whose functions have a sentence each. */
const FILES = globSync("workers/{http,security,runs,tasks,executors,pipelines}/**/*.ts")
  .map((path) => path.replaceAll("\\", "/"))
  .sort()
  .map((path) => ({ path, content: readFileSync(path) }));

interface Case {
  readonly name: string;
  readonly path: string;
  readonly sentence: string | null;
}

/** Exported definitions of code, each under the only name of its kind. */
function definitions(): Case[] {
  const found = FILES.filter(
    ({ path }) => !/\.test\.ts$|fixture|test-support|simulator/.test(path),
  ).flatMap(({ path, content }) =>
    [
      ...content
        .toString()
        .matchAll(
          /(?:\/\*\*\s*([^@]*?)\*\/\n)?^export (?:async )?(?:function\*?|class|abstract class|interface) (\w+)/gm,
        ),
    ].map(([, doc, name = ""]) => ({ name, path, sentence: sentenceOf(doc, name) })),
  );
  const counts = Map.groupBy(found, ({ name }) => name);
  return found.filter(({ name }) => name.length > 4 && counts.get(name)?.length === 1);
}

/** The first sentence of a comment, without the name itself. */
function sentenceOf(doc: string | undefined, name: string): string | null {
  const text = (doc ?? "").replaceAll(/\s*\n\s*\*\s?/g, " ").trim();
  const sentence = /^.*?[.!?](?=\s|$)/.exec(text)?.[0] ?? text;
  const plain = sentence.replaceAll(/[`"]/g, "").replaceAll(name, "");
  return plain.split(/\s+/).length >= 5 ? plain : null;
}

const spread = <Item>(items: readonly Item[]): Item[] => {
  const step = Math.max(1, Math.floor(items.length / MAX_CASES));
  return items.filter((_, index) => index % step === 0);
};

let service: TestService;
let client: Client;
let base: string;

beforeAll(async () => {
  service = await TestService.start();
  client = new Client(service);
  const created = await client.call("/api/v1/codebases", { json: { name: "own" } });
  base = `/api/v1/codebases/${codebaseSchema.parse(created.json).id}`;
  const files = FILES.map(({ path, content }) => [path, blobOid(content), content.byteLength]);
  const begun = await client.call(`${base}/manifest`, { json: { files } });
  expect(pushedSchema.parse(begun.json).missing.length).toBeGreaterThan(100);
  // Names are of no interest: contents are known by themselves.
  const contents = FILES.map(({ content }, index) => ({ name: `${index}`, content }));
  const body = new Uint8Array(tarOf(contents));
  const sent = await client.call(`${base}/snapshots/1/blobs`, { body });
  expect(pushedSchema.parse(sent.json)).toMatchObject({ snapshot: { state: "ready" } });
  for (;;) {
    const reply = await client.call(`${base}/snapshots/1`);
    const { symbols } = snapshotSchema.parse(reply.json);
    if (symbols.of > 0 && symbols.parsed === symbols.of) return;
  }
});
afterAll(() => service.stop());

async function paths(q: string): Promise<string[]> {
  const reply = await client.call(`${base}/search?${new URLSearchParams({ q, limit: "10" })}`);
  expect(reply.status, reply.text).toBe(200);
  return searchSchema.parse(reply.json).items.map(({ path }) => path);
}

describe("ranking", () => {
  it(`puts the definition first for ${DEFINITION_FIRST * 100} % of names`, async () => {
    const cases = spread(definitions());
    expect(cases.length).toBeGreaterThan(80);
    const missed: string[] = [];
    for (const { name, path } of cases) {
      const [first] = await paths(name);
      if (first !== path) missed.push(`${name}: ${first} before ${path}`);
    }
    expect(1 - missed.length / cases.length, missed.join("\n")).toBeGreaterThanOrEqual(
      DEFINITION_FIRST,
    );
  });

  it(`finds what a sentence describes, with a mean of 1/rank of ${MEAN_RECIPROCAL_RANK} or more`, async () => {
    const cases = spread(definitions().filter(({ sentence }) => sentence !== null));
    expect(cases.length).toBeGreaterThan(50);
    let sum = 0;
    for (const { sentence, path } of cases) {
      const found = await paths(`near:"${sentence?.replaceAll(/["\\]/g, "")}"`);
      const rank = found.indexOf(path) + 1;
      if (rank > 0) sum += 1 / rank;
    }
    expect(sum / cases.length).toBeGreaterThanOrEqual(MEAN_RECIPROCAL_RANK);
  });
});
