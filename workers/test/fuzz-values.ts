/** What fuzzed requests are made of: values that other services have broken on. */
import type { Random } from "./random.ts";

/** Text in this frame is written into the JSON without its quotes. */
const rawJson = (text: string) => `\u{f8ff}${text}\u{f8ff}`;
const RAW = /"\u{f8ff}([^\u{f8ff}]*)\u{f8ff}"/gu;

const TEXTS: readonly string[] = [
  "",
  " ",
  "\0",
  "a\0b",
  "\ud800",
  "a\udfffb",
  "💥".repeat(70),
  "\u202e\u2028\u2029\ufeff",
  "e\u0301",
  "__proto__",
  "constructor",
  "toString",
  "${{ secrets.TOKEN }}",
  "${{ secrets.",
  "../../etc/passwd",
  "/",
  "a/../b",
  "' OR 1=1; DROP TABLE tasks; --",
  "%00%0a",
  "line\r\nX-Injected: yes",
  "<script>alert(1)</script>",
  "null",
  "NaN",
  "-0",
  "*",
  "*.example.com",
  "127.0.0.1:1",
  "2026-02-30T25:61:00Z",
  "1969-12-31T23:59:59.999Z",
  "+275760-09-13T00:00:00.001Z",
  "9".repeat(40),
  "a".repeat(64),
  "a".repeat(256),
  "x".repeat(70_000),
  "local",
  "python",
  "bash",
  "default",
];

const NUMBERS: readonly unknown[] = [
  0,
  -1,
  1,
  0.1,
  1.5,
  -101,
  101,
  2 ** 31,
  2 ** 53,
  1e21,
  1e308,
  5e-324,
  rawJson("-0"),
  rawJson("1e999"),
  rawJson("-1e999"),
  rawJson("9007199254740993"),
  rawJson(`0.${"1".repeat(400)}`),
  rawJson(`1${"0".repeat(400)}`),
];

function nested(depth: number, key: string | null): unknown {
  let value: unknown = 1;
  for (let level = 0; level < depth; level += 1) value = key === null ? [value] : { [key]: value };
  return value;
}

const STRUCTURES: readonly unknown[] = [
  null,
  true,
  false,
  [],
  {},
  [null],
  [[]],
  { "": "" },
  { a: { b: { c: 1 } } },
  { constructor: { prototype: { polluted: true } } },
  { toString: 1, valueOf: 2, hasOwnProperty: 3 },
  rawJson('{"__proto__":{"polluted":true}}'),
  rawJson('{"a":1,"a":2}'),
  rawJson(`{"a":${"[".repeat(3_000)}${"]".repeat(3_000)}}`),
  nested(90, null),
  nested(120, "k"),
  Array.from({ length: 60 }, (_, index) => index),
  Array.from({ length: 6_000 }, () => "x"),
  Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`k${index}`, "v"])),
  { $ref: "#" },
  { type: "object", properties: { a: { $ref: "#/$defs/none" } } },
  { allow: ["*", "a b", "http://x"] },
  { max_attempts: 1e9, backoff: "none" },
  { content: "!", encoding: "base64", mode: "9999" },
];

export function oddText(random: Random): string {
  return random.pick(TEXTS);
}

export function oddValue(random: Random): unknown {
  return structuredClone(random.pick([TEXTS, NUMBERS, STRUCTURES][random.below(3)] ?? STRUCTURES));
}

/** JSON text of a value, with its raw parts as they are. */
export function writeJson(value: unknown): string {
  return JSON.stringify(value).replaceAll(RAW, (_, text: string) => text.replaceAll('\\"', '"'));
}

type Container = Record<string, unknown> | unknown[];
const isContainer = (value: unknown): value is Container =>
  typeof value === "object" && value !== null;

/** Every place of a document that holds something: its container and the key in it. */
function places(root: Container): { readonly container: Container; readonly key: string }[] {
  return Object.entries(root).flatMap(([key, value]) => [
    { container: root, key },
    ...(isContainer(value) ? places(value) : []),
  ]);
}

function put(container: Container, key: string, value: unknown): void {
  Object.defineProperty(container, key, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/** Changes a document at 0 to 3 places. `members` are names that its schema knows. */
export function mutate(
  document: Readonly<Record<string, unknown>>,
  members: readonly string[],
  random: Random,
): Record<string, unknown> {
  const copy = structuredClone(document);
  for (let left = random.below(4); left > 0; left -= 1) {
    const { container, key } = random.pick([
      ...places(copy),
      { container: copy, key: random.pick(["name", ...members]) },
    ]);
    switch (random.below(6)) {
      case 0:
        if (!Array.isArray(container)) delete container[key];
        break;
      case 1:
        put(copy, random.pick([...TEXTS.slice(0, 12), "unknown"]), oddValue(random));
        break;
      case 2:
        put(container, key, [Reflect.get(container, key)]);
        break;
      case 3:
        if (members.length > 0) put(copy, random.pick(members), oddValue(random));
        break;
      default:
        put(container, key, oddValue(random));
    }
  }
  return copy;
}

const BOMB = [
  'a: &a ["x","x","x","x","x","x","x","x","x"]',
  ..."bcdefghi".split("").map((name, index) => {
    const before = "abcdefgh"[index];
    return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${before}`).join(",")}]`;
  }),
].join("\n");

/** YAML that is broken, hostile or strange; `secret` stands where a secret would. */
function yamls(secret: string): readonly string[] {
  const head = "name: y\ncommand: 'true'\n";
  return [
    BOMB,
    `${head}extra_data:\n  a: &a {b: *a}\n`,
    `${head}inputs: &a [*a]\n`,
    `${head}inputs: ${"[".repeat(5_000)}`,
    `${head}inputs: .nan\n`,
    `${head}inputs: -.inf\n`,
    `${head}inputs: !!binary aGVsbG8=\n`,
    `${head}inputs: !!js/function "() => 1"\n`,
    `${head}inputs: {? [${secret}, b] : c}\n`,
    `${head}inputs: 2026-11-23\n`,
    `${head}inputs: 0x${"f".repeat(40)}\n`,
    `${head}name: twice\n`,
    `${head}---\nname: second\n`,
    `${head}labels: {<<: {a: b}, c: d}\n`,
    `${head}\tlabels: tab\n`,
    `%YAML 9.9\n---\n${head}`,
    `${head}description: |\n   deep\n  shallow\n`,
    ...["*", "&", "!", "@", "`", "%", "|", '"', "'", "{", "[", "- ", "? ", ": "].map(
      (sigil) => `${head}environment:\n  TOKEN: ${sigil}${secret}\n`,
    ),
    `${head}environment:\n  TOKEN: ${secret}\n OTHER: 1\n`,
    `${head}environment: [${secret}\n`,
    "",
    "# nothing",
    "- a\n- b\n",
    "just text",
  ];
}

/** Bytes that are not what a body should be. */
export function brokenBody(valid: string, secret: string, random: Random): Uint8Array {
  const utf8 = (text: string) => Buffer.from(text, "utf8");
  const cut = random.below(valid.length + 1);
  const shapes: readonly (() => Uint8Array)[] = [
    () => utf8(valid.slice(0, cut)),
    () => utf8(valid.slice(cut)),
    () => utf8(`${valid}}`),
    () => utf8(`\ufeff${valid}`),
    () => Buffer.from(valid, "utf16le"),
    () =>
      Buffer.concat([
        utf8(valid.slice(0, cut)),
        Buffer.from([0xff, 0xc0, 0xaf]),
        utf8(valid.slice(cut)),
      ]),
    () => utf8(valid.replaceAll('"', "'")),
    () => utf8(valid.replaceAll(":", ": undefined,")),
    () => utf8(`${valid.slice(0, cut)}\0${valid.slice(cut)}`),
    () => utf8(random.pick(["null", "[]", "123", '"text"', "{}", "", " ", "{", "[[[", "true"])),
    () => utf8("[".repeat(100_000)),
    () => utf8('{"a":'.repeat(20_000)),
    () => utf8(`{"name":"big","inputs":"${"x".repeat(400_000)}"}`),
    () => Buffer.from(Array.from({ length: 200 }, () => random.below(256))),
  ];
  return random.chance(0.5) ? utf8(random.pick(yamls(secret))) : random.pick(shapes)();
}

export const CONTENT_TYPES: readonly string[] = [
  "application/json",
  "application/json; charset=utf-16",
  "application/merge-patch+json",
  "application/yaml",
  "text/yaml",
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  ";;;",
  "application/json,application/yaml",
];

const HEADER_VALUES: readonly string[] = [
  "",
  "*",
  '"v1"',
  'W/"v2", "v3"',
  '"unclosed',
  "bytes=0-",
  "bytes=0-3",
  "bytes=-0",
  "bytes=-5",
  "bytes=5-1",
  "bytes=99999999999999999999-",
  "bytes=0-0,2-3",
  "items=0-1",
  "respond-async",
  "wait=1",
  "wait=0; respond-async",
  "wait=-1",
  "wait=1e9",
  "text/event-stream",
  "text/html;q=2",
  "-1",
  "0",
  "3",
  "9".repeat(30),
  "k".repeat(255),
  "k".repeat(256),
  "v".repeat(4_000),
  "\xe9\xff",
  "a b",
  "__proto__",
  "gzip",
  "https://evil.example",
  "http://localhost:3000",
];

const HEADERS: readonly string[] = [
  "range",
  "if-match",
  "if-none-match",
  "prefer",
  "idempotency-key",
  "last-event-id",
  "accept",
  "x-request-id",
  "x-correlation-id",
  "origin",
  "content-encoding",
  "x-http-method-override",
  "cookie",
  "cf-connecting-ip",
];

/** A few headers that a caller may get wrong. */
export function oddHeaders(random: Random): Record<string, string> {
  const headers: Record<string, string> = {};
  for (let left = random.below(4); left > 0; left -= 1) {
    headers[random.pick(HEADERS)] = random.pick(HEADER_VALUES);
  }
  return headers;
}
