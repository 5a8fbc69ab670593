/** Reads server-sent events as a client would, and keeps what has come when the connection breaks. */
import { z } from "zod";

const dataSchema = z.looseObject({
  seq: z.int(),
  type: z.string(),
  run: z.int(),
  at: z.iso.datetime(),
});

export type TaskEvent = z.output<typeof dataSchema>;

const RUN_ENDS = ["run.completed", "run.failed", "run.cancelled"];

export const endsRun = ({ type }: TaskEvent): boolean => RUN_ENDS.includes(type);

/**
 * Yields the events of a stream; throws when it breaks before its end. Checks that each carries its
 * seq as id and its type as name.
 */
export async function* readEvents(
  body: ReadableStream<Uint8Array> | null,
): AsyncGenerator<TaskEvent> {
  let rest = "";
  const decoder = new TextDecoder();
  for await (const chunk of body ?? []) {
    const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = parseBlock(block);
      if (event) yield event;
    }
  }
}

/** Null for a block without data: the retry time, a heartbeat. */
function parseBlock(block: string): TaskEvent | null {
  const fields = new Map<string, string>();
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 2));
  }
  const data = fields.get("data");
  if (data === undefined) return null;
  const event = dataSchema.parse(JSON.parse(data));
  if (fields.get("id") !== String(event.seq) || fields.get("event") !== event.type) {
    throw new Error(`The event's frame does not match its data:\n${block}`);
  }
  return event;
}

/** All events of a stream that ends. */
export async function allEvents(response: Response): Promise<TaskEvent[]> {
  const events: TaskEvent[] = [];
  for await (const event of readEvents(response.body)) events.push(event);
  return events;
}
