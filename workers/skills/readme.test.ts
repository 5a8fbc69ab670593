/** The skills that README.md shows are ones that the service accepts. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { loadConfig } from "../config.ts";
import { contentIssues } from "./check.ts";
import { contentSchema } from "./content.ts";
import { createSkillSchema } from "./schemas.ts";

const readme = readFileSync("README.md", "utf8");
const texts = [
  ...readme.matchAll(/\/api\/v1\/skills -H [^']*'Content-Type[^{]*(\{[^']*\})'/g),
  ...readme.matchAll(/```json\n(\{[^`]*"implementation"[^`]*\})\n```/g),
].map(([, text = ""]) => text);
const skills = texts.map((text) => createSkillSchema.parse(JSON.parse(text)));

test("there are some", () => expect(skills.length).toBeGreaterThan(2));

test.each(skills.map((skill) => [skill]))("$name", (skill) => {
  const { name: _, category, tags, enabled, cost_estimate, extra_data, ...rest } = skill;
  const { project_id, slug, files, version, note, ...content } = rest;
  const context = { config: loadConfig({}), project_id: "default", slug: "shown", files: [] };
  expect(contentIssues(contentSchema.parse(content), context)).toEqual([]);
});
