/** Skills as tests have them: made over HTTP. */
import { expect } from "vitest";
import type { Call, CallInit } from "../test/app.ts";
import { skillSchema } from "./schemas.ts";

export const SKILLS = "/api/v1/skills";

export const WORD_COUNT = {
  category: "analysis",
  description: "Counts the words of a text.",
  implementation: {
    type: "typescript",
    script: "export default ({ text }) => ({ words: text.split(' ').length })",
  },
  inputs: { type: "object", properties: { text: { type: "string" } }, required: ["text"] },
};

/** A name that nothing else has. */
export const unique = (prefix: string) => `${prefix}-${crypto.randomUUID().slice(0, 13)}`;

export async function createSkill(call: Call, body: Record<string, unknown> = {}) {
  const reply = await call(SKILLS, { body: { name: unique("skill"), ...WORD_COUNT, ...body } });
  expect(reply.status, reply.text).toBe(201);
  return skillSchema.parse(reply.body);
}

export async function patchSkill(call: Call, id: string, body: unknown, init: CallInit = {}) {
  const reply = await call(`${SKILLS}/${id}`, { method: "PATCH", body, ...init });
  expect(reply.status, reply.text).toBe(200);
  return skillSchema.parse(reply.body);
}

export async function readSkill(call: Call, id: string) {
  const reply = await call(`${SKILLS}/${id}`);
  expect(reply.status, reply.text).toBe(200);
  return skillSchema.parse(reply.body);
}

/** The issues of a reply, by their paths. */
export function issuesOf(body: Record<string, unknown>): Record<string, string> {
  const errors = body.errors as { path: string; message: string }[];
  return Object.fromEntries(errors.map(({ path, message }) => [path, message]));
}
