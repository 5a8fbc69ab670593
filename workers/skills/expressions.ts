/** Texts of implementations with expressions over the inputs of an invocation. */
import type { Json } from "../http/json.ts";
import { resolveJson, resolveText, type Scope } from "../runs/expressions.ts";
import { lazyObject } from "../runs/expressions-data.ts";
import { hasExpression, parseTemplate } from "../runs/expressions-template.ts";

/** What expressions of a skill see: its inputs alone. */
export function inputsScope(inputs: Json): Scope {
  const none = (): Json => ({});
  const contexts = lazyObject({
    inputs: () => inputs,
    run: none,
    tasks: none,
    env: none,
    matrix: none,
    secrets: none,
  });
  return { contexts, status: null };
}

/** A text; what an expression comes to stands in it as JSON unless it is a text itself. */
export function renderText(text: string, scope: Scope): string {
  if (!hasExpression(text)) return text;
  return parseTemplate(text)
    .parts.map((part) =>
      typeof part === "string" ? part : asText(resolveText(wrapped(part.expression.text), scope)),
    )
    .join("");
}

/** A URL: what expressions come to is percent-encoded, so that it cannot leave its place. */
export function renderUrl(text: string, scope: Scope): string {
  if (!hasExpression(text)) return text;
  return parseTemplate(text)
    .parts.map((part) =>
      typeof part === "string"
        ? part
        : encodeURIComponent(asText(resolveText(wrapped(part.expression.text), scope))),
    )
    .join("");
}

/** Every text in a JSON value; one that is a single expression becomes the JSON it comes to. */
export function renderJson(value: Json, scope: Scope): Json {
  return resolveJson(value, scope);
}

function wrapped(expression: string): string {
  return `\${{${expression}}}`;
}

function asText(value: Json): string {
  if (value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}
