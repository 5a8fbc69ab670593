/** What the tests of the fake have in common: a bare client, a reader of streams, a look at processes. */
import { readdirSync, readFileSync } from "node:fs";
import { z } from "zod";

export interface Endpoint {
  readonly port: number;
  readonly token: string;
}

const answerSchema = z.object({
  data: z.unknown(),
  errors: z
    .array(
      z.object({
        message: z.string(),
        path: z.array(z.union([z.string(), z.number()])).optional(),
        extensions: z.record(z.string(), z.unknown()).optional(),
      }),
    )
    .optional(),
});
export type WireAnswer = z.output<typeof answerSchema> & { readonly status: number };

export function authorization(token: string): string {
  return `Basic ${Buffer.from(`${token}:`).toString("base64")}`;
}

export interface QueryOptions {
  readonly signal?: AbortSignal;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Sends a query as the SDK does. */
export async function query(
  { port, token }: Endpoint,
  text: string,
  { signal, headers }: QueryOptions = {},
): Promise<WireAnswer> {
  const response = await fetch(`http://127.0.0.1:${port}/query`, {
    method: "POST",
    headers: {
      authorization: authorization(token),
      "content-type": "application/json",
      ...headers,
    },
    body: JSON.stringify({ query: text }),
    ...(signal && { signal }),
  });
  return { status: response.status, ...answerSchema.parse(await response.json()) };
}

/** The one value at the end of an answer, as the SDK takes it out. */
export function leaf(answer: { readonly data?: unknown }): unknown {
  let value = answer.data;
  while (typeof value === "object" && value !== null && !Array.isArray(value)) {
    value = Object.values(value)[0];
  }
  return value;
}

/** Literals are inlined in queries. */
export const literal = (value: unknown): string => JSON.stringify(value);

/** A query that runs a shell line in a fresh alpine and selects from the result. */
export function shell(line: string, select = "stdout", options = ""): string {
  return `{ container { from (address: "alpine:3") { ${exec(line, select, options)} } } }`;
}

export function exec(line: string, select = "stdout", options = ""): string {
  return `withExec (args: ["sh","-c",${literal(line)}]${options}) { ${select} }`;
}

/** Selects from an alpine container after some calls, written without their braces. */
export function inAlpine(
  endpoint: Endpoint,
  calls: readonly string[],
  selection: string,
): Promise<WireAnswer> {
  const open = ['from (address: "alpine")', ...calls].map((call) => `${call} {`).join(" ");
  return query(endpoint, `{ container { ${open} ${selection} ${"} ".repeat(calls.length + 3)}`);
}

/** What a shell line writes there, or why it fails. */
export async function stdoutOf(
  endpoint: Endpoint,
  line: string,
  calls: readonly string[] = [],
): Promise<unknown> {
  const answer = await inAlpine(endpoint, calls, exec(line));
  return answer.errors?.[0]?.message ?? leaf(answer);
}

export interface ServerEvent {
  readonly id: string;
  readonly name: string;
  readonly data: string;
}

/** Reads server-sent events until the stream ends or the caller has seen enough. */
export async function* events(
  { port, token }: Endpoint,
  path: string,
  headers: Readonly<Record<string, string>> = {},
): AsyncGenerator<ServerEvent> {
  const abort = new AbortController();
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { authorization: authorization(token), ...headers },
    signal: abort.signal,
  });
  if (response.body === null) return;
  let rest = "";
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body) {
      const blocks = (rest + decoder.decode(chunk, { stream: true })).split("\n\n");
      rest = blocks.pop() ?? "";
      for (const block of blocks) yield parseEvent(block);
    }
  } finally {
    abort.abort();
  }
}

function parseEvent(block: string): ServerEvent {
  const fields = new Map(
    block.split("\n").map((line): [string, string] => {
      const at = line.indexOf(": ");
      return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 2)];
    }),
  );
  const get = (name: string) => fields.get(name) ?? "";
  return { id: get("id"), name: get("event"), data: get("data") };
}

const logsSchema = z.object({
  resourceLogs: z.array(
    z.object({
      scopeLogs: z.array(
        z.object({
          logRecords: z.array(
            z.object({
              timeUnixNano: z.string().regex(/^\d+$/),
              body: z.object({ stringValue: z.string() }),
              attributes: z.array(
                z.object({ key: z.string(), value: z.record(z.string(), z.unknown()) }),
              ),
              traceId: z.base64(),
              spanId: z.base64(),
            }),
          ),
        }),
      ),
    }),
  ),
});

export interface LogLine {
  readonly stream: unknown;
  readonly text: string;
  readonly isEnd: boolean;
  readonly traceId: string;
  readonly spanId: string;
}

export function logLines(event: ServerEvent): LogLine[] {
  const records = logsSchema
    .parse(JSON.parse(event.data))
    .resourceLogs.flatMap(({ scopeLogs }) => scopeLogs.flatMap(({ logRecords }) => logRecords));
  return records.map(({ body, attributes, traceId, spanId }) => {
    const attribute = (key: string) => attributes.find((candidate) => candidate.key === key)?.value;
    return {
      stream: attribute("stdio.stream")?.intValue,
      text: body.stringValue,
      isEnd: attribute("stdio.eof")?.boolValue === true,
      traceId: Buffer.from(traceId, "base64").toString("hex"),
      spanId: Buffer.from(spanId, "base64").toString("hex"),
    };
  });
}

/** Resolves once a command has written this text. */
export async function written(endpoint: Endpoint, text: string): Promise<void> {
  let all = "";
  for await (const event of events(endpoint, "/v1/logs")) {
    if (event.name !== "logs") continue;
    for (const line of logLines(event)) all += line.text;
    if (all.includes(text)) return;
  }
  throw new Error(`The stream ended without ${literal(text)}: ${literal(all)}`);
}

/** How many processes of this host have the text in their command line. */
export function countProcesses(text: string): number {
  return readdirSync("/proc").filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      return readFileSync(`/proc/${name}/cmdline`, "utf8").includes(text);
    } catch {
      return false;
    }
  }).length;
}

let sleeps = 0;
/** A line that says it is ready and then sleeps, longer than any test, in a way that can be told apart. */
export function sleeper(): { readonly line: string; readonly mark: string } {
  sleeps += 1;
  const mark = `9${process.pid}.${sleeps}`;
  return { line: `echo ready; sleep ${mark}; echo awake`, mark };
}
