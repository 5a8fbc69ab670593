/** The skills that README.md shows are ones that the service accepts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { loadConfig } from "../config.ts";
import { contentIssues } from "./check.ts";
import { contentSchema } from "./content.ts";
import { createSkillSchema } from "./schemas.ts";

const readme = readFileSync("README.md", "utf8");
const skills = [...readme.matchAll(/<<'EOF'\n(slug: [\s\S]*?)\nEOF\n/g)].map(([, text = ""]) =>
  createSkillSchema.parse(parse(text)),
);

test("there are some", () => expect(skills.length).toBeGreaterThan(0));

test.each(skills.map((skill) => [skill]))("$slug", ({ slug = "", ...skill }) => {
  const content = contentSchema.strip().parse(skill);
  const context = { config: loadConfig({}), project_id: "default", slug };
  expect(contentIssues(content, context)).toEqual([]);
});
