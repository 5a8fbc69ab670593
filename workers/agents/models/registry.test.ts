import { describe, expect, it } from "vitest";
import { loadConfig } from "../../config.ts";
import { fullName, parseModelName } from "./names.ts";
import { providersOf } from "./providers.ts";
import { ModelRegistry } from "./registry.ts";

const registry = (variables: Readonly<Record<string, string>> = {}) =>
  new ModelRegistry(loadConfig({ ...variables }));

describe("names", () => {
  it.each([
    ["anthropic/claude-opus-5-5", "anthropic/claude-opus-5-5"],
    ["claude-sonnet-4-20250514", "anthropic/claude-sonnet-4-20250514"],
    ["gpt-6.1-sol", "openai/gpt-6.1-sol"],
    ["o4-mini", "openai/o4-mini"],
    ["openai/meta-llama/Llama-3.3-70B", "openai/meta-llama/Llama-3.3-70B"],
    ["gemini-3.8-flash", "google/gemini-3.8-flash"],
    ["@cf/openai/gpt-oss-20b", "workers-ai/@cf/openai/gpt-oss-20b"],
    ["workers-ai/@cf/openai/gpt-oss-20b", "workers-ai/@cf/openai/gpt-oss-20b"],
    ["operator", "operator"],
  ])("%s is %s", (name, full) => {
    const parsed = parseModelName(name);
    expect(parsed && fullName(parsed)).toBe(full);
  });

  it.each(["", "llama3", "mistral/large", "anthropic/", "operator/x", "constructor"])(
    "%j names none",
    (name) => {
      expect(parseModelName(name)).toBeNull();
      const known = registry({ ANTHROPIC_API_KEY: "k" });
      expect(() => known.resolve(name)).toThrow(expect.objectContaining({ code: "model_unknown" }));
    },
  );
});

describe("the default", () => {
  it.each<[Record<string, string>, string]>([
    [{}, "operator"],
    [{ ANTHROPIC_API_KEY: "k", OPENAI_API_KEY: "k" }, "anthropic/claude-sonnet-5-5"],
    [{ OPENAI_API_KEY: "k" }, "openai/gpt-6.1-sol"],
    [{ GEMINI_API_KEY: "k" }, "operator"],
    [{ OPENAI_BASE_URL: "http://localhost:11434/v1" }, "operator"],
    [
      { OPENAI_BASE_URL: "http://localhost:11434/v1", DEFAULT_MODEL: "openai/qwen3" },
      "openai/qwen3",
    ],
    [{ DEFAULT_MODEL: "claude-opus-5-5", ANTHROPIC_API_KEY: "k" }, "anthropic/claude-opus-5-5"],
    [
      { CLOUDFLARE_ACCOUNT_ID: "a", CLOUDFLARE_API_TOKEN: "t" },
      "workers-ai/@cf/meta/llama-3.3-70b-instruct-fp8-fast",
    ],
  ])("with %o is %s", (variables, name) => {
    expect(registry(variables).resolve(null).name).toBe(name);
  });

  it("that names nothing is said to", () => {
    const known = registry({ DEFAULT_MODEL: "llama" });
    expect(known.defaultName()).toBe("llama");
    expect(() => known.resolve(null)).toThrow('"llama" names no model');
  });
});

it.each([
  ["claude-opus-5-5", "ANTHROPIC_API_KEY"],
  ["gpt-5", "OPENAI_API_KEY"],
  ["gemini-3.8-flash", "GEMINI_API_KEY"],
  ["@cf/openai/gpt-oss-20b", "CLOUDFLARE_ACCOUNT_ID"],
])("of a provider that is not configured, %s says to set %s", (name, variable) => {
  expect(() => registry().resolve(name)).toThrow(
    expect.objectContaining({
      code: "model_not_configured",
      message: expect.stringContaining(variable),
    }),
  );
});

it("gives what is to write only to a language model", () => {
  const known = registry({ ANTHROPIC_API_KEY: "k" });
  expect(known.resolveWriter(null)).toMatchObject({ provider: "anthropic", has_language: true });
  expect(() => known.resolveWriter("operator")).toThrow(
    expect.objectContaining({
      code: "model_no_language",
      message: expect.stringContaining("ANTHROPIC_API_KEY"),
    }),
  );
});

it("lists every known model, usable or not, the default among them", () => {
  const listed = registry({
    OPENAI_BASE_URL: "http://vllm.test/v1/",
    DEFAULT_MODEL: "openai/qwen3",
  }).list();
  const of = (name: string) => listed.find((model) => model.name === name);
  expect(of("openai/qwen3")).toEqual({
    name: "openai/qwen3",
    provider: "openai",
    missing: null,
    price: null,
  });
  expect(of("anthropic/claude-opus-5-5")).toMatchObject({
    missing: "Set ANTHROPIC_API_KEY.",
    price: { input: 4 },
  });
  expect(listed.at(-1)).toMatchObject({
    name: "operator",
    missing: null,
    price: { input: 0, output: 0 },
  });
  expect(new Set(listed.map(({ name }) => name)).size).toBe(listed.length);
});

describe("where a provider is reached", () => {
  const urlOf = (variables: Record<string, string>) => {
    const { anthropic, openai } = providersOf(loadConfig(variables));
    return { anthropic: anthropic.endpoint?.base_url, openai: openai.endpoint?.base_url };
  };

  it.each([
    [
      { ANTHROPIC_API_KEY: "k", OPENAI_API_KEY: "k" },
      "https://api.anthropic.com/v1",
      "https://api.openai.com/v1",
    ],
    [
      {
        ANTHROPIC_API_KEY: "k",
        ANTHROPIC_BASE_URL: "https://proxy.test",
        OPENAI_BASE_URL: "http://ollama.test/v1/",
      },
      "https://proxy.test/v1",
      "http://ollama.test/v1",
    ],
    [
      {
        ANTHROPIC_API_KEY: "k",
        ANTHROPIC_BASE_URL: "https://proxy.test/anthropic/v1/",
        OPENAI_BASE_URL: "",
      },
      "https://proxy.test/anthropic/v1",
      undefined,
    ],
  ])("follows from %o", (variables, anthropic, openai) => {
    expect(urlOf(variables)).toEqual({ anthropic, openai });
  });
});

it("refuses variables that are not usable", () => {
  const problems = (variables: object) => {
    try {
      loadConfig(variables);
      return [];
    } catch (error) {
      return error instanceof Error && "issues" in error ? error.issues : error;
    }
  };
  expect(problems({ OPENAI_BASE_URL: "localhost:11434", MODEL_PRICES: "{" })).toEqual([
    { path: "OPENAI_BASE_URL", message: expect.stringContaining("http://") },
    { path: "MODEL_PRICES", message: expect.stringContaining("JSON of prices") },
  ]);
  expect(problems({ MODEL_PRICES: '{"openai/x": {"input": -1, "output": 0}}' })).toHaveLength(1);
  expect(problems({ ANTHROPIC_BASE_URL: "https://me:secret@proxy.test" })).toEqual([
    { path: "ANTHROPIC_BASE_URL", message: expect.stringContaining("without a user") },
  ]);
  expect(problems({ MODEL_PRICES: "", OPENAI_BASE_URL: " " })).toEqual([]);
});
