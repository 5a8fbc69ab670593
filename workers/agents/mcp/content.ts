/** What a model is given of the answer of an MCP server's tool. */
import { z } from "zod";
import { canonicalJson, findUnsafeJson, type Json } from "../../http/json.ts";
import type { ToolResult } from "../tool-port.ts";

type Block =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image" | "audio"; readonly data: string; readonly mimeType: string }
  | {
      readonly type: "resource_link";
      readonly uri: string;
      readonly name: string;
      readonly description?: string | undefined;
      readonly mimeType?: string | undefined;
    }
  | {
      readonly type: "resource";
      readonly resource: { readonly uri: string; readonly mimeType?: string | undefined } & (
        | { readonly text: string }
        | { readonly blob: string }
      );
    };

export interface CallAnswer {
  readonly content: readonly Block[];
  readonly structuredContent?: unknown;
  readonly isError?: boolean | undefined;
}

/**
 * Structured content as it is, and beside it what is more than its repetition as text. What is no text
 * is named in its place, since models are given text alone.
 */
export function resultOf(answer: CallAnswer): ToolResult {
  const is_error = answer.isError === true;
  const [unsafe] = findUnsafeJson(answer.structuredContent ?? null);
  if (unsafe !== undefined) {
    const output = `The server's structured content cannot be passed on: ${unsafe.message}`;
    return { output, is_error: true };
  }
  const texts = answer.content.map(textOf);
  if (answer.structuredContent === undefined) return { output: joined(texts), is_error };
  const structured: Json = z.json().parse(answer.structuredContent);
  const repeated = canonicalJson(structured);
  const more = texts.filter((text) => text !== "" && !isJson(text, repeated));
  if (more.length === 0) return { output: structured, is_error };
  return { output: { structured_content: structured, content: joined(more) }, is_error };
}

function joined(texts: readonly string[]): string {
  return texts.join("\n\n").toWellFormed();
}

/** Whether the text is the JSON whose canonical form is given. */
function isJson(text: string, canonical: string): boolean {
  try {
    return canonicalJson(JSON.parse(text)) === canonical;
  } catch {
    return false;
  }
}

function textOf(block: Block): string {
  switch (block.type) {
    case "text":
      return block.text;
    case "image":
    case "audio":
      return leftOut(`${block.type} of type ${block.mimeType}`, block.data);
    case "resource_link": {
      const { uri, name, mimeType, description } = block;
      const type = mimeType === undefined ? "" : ` (${mimeType})`;
      const what = description === undefined ? "" : `\n${description}`;
      return `[Resource "${name}"${type}: ${uri}]${what}`;
    }
    case "resource": {
      const { uri } = block.resource;
      if ("text" in block.resource) return `[Resource ${uri}]\n${block.resource.text}`;
      return leftOut(`resource ${uri}`, block.resource.blob);
    }
  }
}

function leftOut(what: string, base64: string): string {
  const bytes = Math.floor((base64.length * 3) / 4);
  return `[Left out: ${what}, about ${bytes} bytes. Tools pass on text alone.]`;
}
