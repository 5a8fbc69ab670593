/** The definitions that README.md shows are ones that the service accepts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { z } from "zod";
import { loadConfig } from "../config.ts";
import { parseDefinition } from "./definition.ts";

const readme = readFileSync("README.md", "utf8");
const blocks = [
  ...readme.matchAll(/<<'EOF'\n(name: [\s\S]*?)\nEOF\n/g),
  ...readme.matchAll(/```yaml\n(name: [\s\S]*?)\n```/g),
].map(([, text = ""]) => text);
const sentSchema = z.looseObject({ name: z.string(), execute: z.boolean().optional() });

test("there are some", () => expect(blocks.length).toBeGreaterThan(3));

test.each(blocks.map((text) => [sentSchema.parse(parse(text))]))(
  "$name",
  ({ execute: _, ...definition }) => {
    expect(parseDefinition(definition, { config: loadConfig({}) }).issues).toEqual([]);
  },
);
