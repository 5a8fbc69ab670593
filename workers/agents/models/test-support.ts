/** For tests of models: the fake APIs, and requests to them. */
import { expect, inject } from "vitest";
import { z } from "zod";
import { type Config, loadConfig } from "../../config.ts";
import { userText } from "./messages.ts";
import { ModelError, type ModelEvent, type ModelPort, type ModelRequest } from "./port.ts";
import { ModelRegistry } from "./registry.ts";

const fake = inject("fakeModels");

const requestsSchema = z.array(
  z.object({
    path: z.string(),
    headers: z.record(z.string(), z.string()),
    body: z.record(z.string(), z.unknown()),
    state: z.enum(["open", "answered", "aborted"]),
  }),
);
export type SeenRequest = z.output<typeof requestsSchema>[number];

async function admin(method: string, path: string, body?: unknown): Promise<string> {
  const response = await fetch(fake.url + path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  expect(response.ok, text).toBe(true);
  return text;
}

/** Replies for the next requests, see `containers/fakes/models/reply.ts`; what was before is forgotten. */
export async function script(...replies: readonly object[]): Promise<void> {
  await admin("DELETE", "/__state");
  await admin("POST", "/__replies", replies);
}

export async function seen(): Promise<readonly SeenRequest[]> {
  return requestsSchema.parse(JSON.parse(await admin("GET", "/__requests")));
}

export const release = () => admin("POST", "/__release");

/** All models, at the fake. */
export function modelsAt(
  variables: Readonly<Record<string, string>> = {},
  change: Partial<Config> = {},
): ModelRegistry {
  const config = loadConfig({
    ANTHROPIC_API_KEY: fake.api_key,
    ANTHROPIC_BASE_URL: fake.url,
    OPENAI_API_KEY: fake.api_key,
    OPENAI_BASE_URL: `${fake.url}/v1`,
    ...variables,
  });
  return new ModelRegistry({ ...config, ...change });
}

export const ANTHROPIC = "anthropic/claude-sonnet-5-5";
export const OPENAI = "openai/qwen3:8b";

export function requestOf(change: Partial<ModelRequest> = {}): ModelRequest {
  return {
    model: ANTHROPIC,
    instructions: null,
    messages: [userText("Say hello.")],
    tools: [],
    tool_choice: "auto",
    output_schema: null,
    temperature: null,
    max_output_tokens: 1_000,
    ...change,
  };
}

export const never = new AbortController().signal;

export async function eventsOf(
  port: ModelPort,
  change: Partial<ModelRequest> = {},
  signal = never,
): Promise<ModelEvent[]> {
  const events: ModelEvent[] = [];
  for await (const event of port.step(requestOf(change), signal)) events.push(event);
  return events;
}

/** The error of what must fail. */
export async function failureOf(outcome: Promise<unknown>): Promise<ModelError> {
  const error = await outcome.then(
    (value) => expect.fail(`It did not fail: ${JSON.stringify(value)}`),
    (cause: unknown) => cause,
  );
  expect(error).toBeInstanceOf(ModelError);
  if (error instanceof ModelError) return error;
  throw error;
}
