/** The engine's log records, as it sends them: server-sent events that hold OTLP in JSON. */
import { z } from "zod";
import type { LogStream } from "../../../../workers/executors/port.ts";

export interface LogRecord {
  readonly stream: LogStream;
  readonly text: string;
  /** The stream is over. */
  readonly isEnd: boolean;
  /** The exec that wrote it. */
  readonly span: string;
}

const STREAMS: Readonly<Record<string, LogStream>> = { "1": "stdout", "2": "stderr" };

const recordSchema = z.object({
  body: z.object({ stringValue: z.string().default("") }).default({ stringValue: "" }),
  attributes: z
    .array(
      z.object({
        key: z.string(),
        value: z.object({
          intValue: z.union([z.string(), z.number()]).optional(),
          boolValue: z.boolean().optional(),
        }),
      }),
    )
    .default([]),
  spanId: z.string().default(""),
});
const payloadSchema = z.object({
  resourceLogs: z
    .array(
      z.object({
        scopeLogs: z.array(z.object({ logRecords: z.array(z.unknown()).default([]) })).default([]),
      }),
    )
    .default([]),
});

function toRecord(value: unknown): LogRecord | null {
  const parsed = recordSchema.safeParse(value);
  if (!parsed.success) return null;
  const { body, attributes, spanId } = parsed.data;
  const attribute = (key: string) => attributes.find((each) => each.key === key)?.value;
  const stream = STREAMS[String(attribute("stdio.stream")?.intValue)];
  if (stream === undefined) return null;
  const isEnd = attribute("stdio.eof")?.boolValue === true;
  return { stream, text: body.stringValue, isEnd, span: spanId };
}

/** The records of one event that are output of commands, in their order. */
export function readRecords(data: string): readonly LogRecord[] {
  const payload = payloadSchema.safeParse(JSON.parse(data));
  if (!payload.success) return [];
  return payload.data.resourceLogs.flatMap(({ scopeLogs }) =>
    scopeLogs.flatMap(({ logRecords }) => logRecords.flatMap((record) => toRecord(record) ?? [])),
  );
}

export interface ServerEvent {
  readonly id: string;
  readonly name: string;
  readonly data: string;
}

/** Reads server-sent events to the end of the body; an event that is cut off is left out. */
export async function* readEvents(body: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent> {
  const decoder = new TextDecoder();
  let fields = new Map<string, string>();
  // Pieces of a line that has no end yet: one event may be many megabytes.
  let pieces: string[] = [];
  for await (const chunk of body) {
    const lines = decoder.decode(chunk, { stream: true }).split("\n");
    const rest = lines.pop() ?? "";
    for (const end of lines) {
      const line = [...pieces, end].join("").replace(/\r$/, "");
      pieces = [];
      if (line !== "") {
        const [, name = "", value = ""] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
        const earlier = name === "data" ? fields.get(name) : undefined;
        fields.set(name, earlier === undefined ? value : `${earlier}\n${value}`);
        continue;
      }
      const get = (name: string) => fields.get(name) ?? "";
      if (fields.size > 0) yield { id: get("id"), name: get("event"), data: get("data") };
      fields = new Map();
    }
    if (rest !== "") pieces.push(rest);
  }
}
