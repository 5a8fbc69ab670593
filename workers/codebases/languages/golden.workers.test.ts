import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isParsed, parseBatch } from "./parser.ts";
import { LANGUAGE_IDS } from "./registry.ts";
import { describeParsed } from "./test-support.ts";

const files = import.meta.glob("./testdata/*", { query: "?raw", import: "default", eager: true });

const expectedSchema = z.object({
  language: z.string(),
  symbols: z.array(z.string()),
  references: z.array(z.string()),
  imports: z.array(z.string()),
});

const ENDING = ".expected.json";
const samples = Object.entries(files)
  .filter(([path]) => path.endsWith(ENDING))
  .map(([path, text]) => {
    const source = path.slice(0, -ENDING.length);
    const { language, ...golden } = expectedSchema.parse(JSON.parse(text));
    if (!isParsed(language)) throw new Error(`${path} names ${language}, which is not registered`);
    return { name: source.replace("./testdata/", ""), language, text: files[source] ?? "", golden };
  });

describe("every language that is registered", () => {
  it("has a sample", () => {
    const sampled = new Set(samples.map(({ language }) => language));
    expect(LANGUAGE_IDS.length).toBeGreaterThanOrEqual(26);
    expect(LANGUAGE_IDS.filter((id) => !sampled.has(id))).toEqual([]);
  });

  it.each(samples)("reads $name as $language", async ({ name, language, text, golden }) => {
    const [parsed] = await parseBatch(env.LOADER, language, [{ oid: "a1", path: name, text }]);
    expect(parsed).toMatchObject({ oid: "a1", path: name, problem: null });
    expect(parsed?.parse).toMatchObject({ errors: 0, truncated: false, line_scan: false });
    expect(parsed && describeParsed(parsed)).toEqual(golden);
  });
});
