/** A client of the wires themselves for the tests. */
import { onTestFinished } from "vitest";
import { type FakeModels, type FakeModelsOptions, startFakeModels } from "./server.ts";

/** Starts a fake that ends with the test that is running. */
export async function fakeFor(options: FakeModelsOptions = {}): Promise<FakeModels> {
  const fake = await startFakeModels(options);
  onTestFinished(() => fake.stop());
  return fake;
}

export const WORDS = [{ role: "user", content: "Say hello." }];

export interface Post {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** A request with what both APIs need; `body` comes over it. */
export function postAnthropic(fake: FakeModels, body: object, post: Post = {}): Promise<Response> {
  const whole = { model: "claude-sonnet-5-5", max_tokens: 100, messages: WORDS, ...body };
  const headers = { "x-api-key": fake.apiKey, "anthropic-version": "2023-06-01" };
  return send(`${fake.url}/v1/messages`, whole, headers, post);
}

export function postOpenAi(fake: FakeModels, body: object, post: Post = {}): Promise<Response> {
  const whole = { model: "gpt-6.1-sol", messages: WORDS, ...body };
  const headers = { authorization: `Bearer ${fake.apiKey}` };
  return send(`${fake.url}/v1/chat/completions`, whole, headers, post);
}

function send(
  url: string,
  body: object,
  headers: Readonly<Record<string, string>>,
  { headers: others = {}, signal }: Post,
): Promise<Response> {
  return fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers, ...others },
    body: JSON.stringify(body),
    redirect: "manual",
    ...(signal && { signal }),
  });
}

/** The data of a stream's events, `[DONE]` left out. */
export function dataOf(stream: string): unknown[] {
  return stream
    .split("\n")
    .filter((line) => line.startsWith("data: ") && line !== "data: [DONE]")
    .map((line) => JSON.parse(line.slice("data: ".length)));
}
