/** What a test has the fake answer, the same for both protocols. */
import { z } from "zod";

/** The pieces that a text is streamed in. */
const piecesSchema = z.union([z.string().transform((text) => [text]), z.array(z.string())]);

const partSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("text"), text: piecesSchema }),
  /** Of Anthropic with its signature; of servers like OpenAI's as `reasoning_content`. */
  z.strictObject({
    type: z.literal("thinking"),
    text: piecesSchema,
    signature: z.string().default("c2lnbmF0dXJl"),
  }),
  /** Of Anthropic alone. */
  z.strictObject({ type: z.literal("redacted_thinking"), data: z.string() }),
  z.strictObject({
    type: z.literal("tool_call"),
    id: z.string().optional(),
    name: z.string(),
    input: z.json().default({}),
    /** In the place of `input`, as it is streamed: JSON or not. */
    input_pieces: z.array(z.string()).optional(),
    /** Of Gemini's server alone. */
    thought_signature: z.string().optional(),
  }),
  /** The answer to a schema, by whichever way the request asks for it. */
  z.strictObject({ type: z.literal("json"), value: z.json() }),
  /** Of OpenAI, by a member of its own. */
  z.strictObject({ type: z.literal("refusal"), text: piecesSchema }),
]);

const usageSchema = z.strictObject({
  /** All of it, what is cached included. */
  input_tokens: z.int().default(12),
  output_tokens: z.int().default(5),
  cached_input_tokens: z.int().default(0),
  cache_write_tokens: z.int().default(0),
  reasoning_tokens: z.int().default(0),
});

/** Counted in events of the stream, its first one included. */
const afterEvents = z.int().min(0).default(3);

export const faultSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("status"),
    status: z.int(),
    message: z.string().default("as the test asked"),
    type: z.string().optional(),
    code: z.string().optional(),
    headers: z.record(z.string(), z.string()).default({}),
  }),
  /** The connection ends in order, or breaks. */
  z.strictObject({
    kind: z.literal("cut"),
    after_events: afterEvents,
    breaks: z.boolean().default(false),
  }),
  /** One event is half an event. */
  z.strictObject({ kind: z.literal("malformed"), after_events: afterEvents }),
  /** Nothing more comes until it is released; with null not even the head of the reply. */
  z.strictObject({ kind: z.literal("hold"), after_events: afterEvents.nullable() }),
  /** The stream tells of an error. */
  z.strictObject({
    kind: z.literal("error_event"),
    after_events: afterEvents,
    type: z.string().default("overloaded_error"),
    message: z.string().default("Overloaded"),
  }),
  /** Something other than the API answers. */
  z.strictObject({
    kind: z.literal("content_type"),
    content_type: z.string().default("text/html"),
    body: z.string().default("<html>sign in</html>"),
  }),
  z.strictObject({ kind: z.literal("redirect"), location: z.string() }),
]);

export const replySchema = z.strictObject({
  content: z.array(partSchema).default([]),
  stop: z.enum(["stop", "length", "tool_calls", "content_filter", "refusal"]).optional(),
  /** Null for a server that tells none. */
  usage: usageSchema.nullable().default(usageSchema.parse({})),
  id: z.string().optional(),
  /** A file of `transcripts/`, which is sent as it stands. */
  transcript: z.string().optional(),
  fault: faultSchema.optional(),
});

export type Reply = z.output<typeof replySchema>;
export type ReplyInput = z.input<typeof replySchema>;
export type Fault = z.output<typeof faultSchema>;
export type ReplyPart = Reply["content"][number];
export type ReplyUsage = z.output<typeof usageSchema>;
export type Stop = NonNullable<Reply["stop"]>;

const PIECE_CHARACTERS = 12;

/** The pieces that the input of a call is streamed in. */
export function inputPieces(part: Extract<ReplyPart, { type: "tool_call" }>): readonly string[] {
  if (part.input_pieces !== undefined) return part.input_pieces;
  const text = JSON.stringify(part.input);
  const count = Math.ceil(text.length / PIECE_CHARACTERS);
  return Array.from({ length: count }, (_, index) =>
    text.slice(index * PIECE_CHARACTERS, (index + 1) * PIECE_CHARACTERS),
  );
}

/** As the reply says, else by what is in it. */
export function stopOf({ stop, content }: Reply): Stop {
  if (stop !== undefined) return stop;
  return content.some(({ type }) => type === "tool_call") ? "tool_calls" : "stop";
}
