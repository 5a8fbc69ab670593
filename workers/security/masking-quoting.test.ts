import { format, inspect } from "node:util";
import fc from "fast-check";
import { Bash } from "just-bash";
import { describe, expect, it } from "vitest";
import { createMasker, MASK, MAX_PATTERN_NODES } from "./masking.ts";
import { planOf } from "./masking-automaton.ts";
import { secretForms } from "./masking-forms.ts";

const LARGEST = 65_536;

/** Mostly characters that some printer escapes; a letter at each end, as values are trimmed. */
const awkward = fc
  .string({
    unit: fc.constantFrom(
      ..."\\\\\"'`$\n\t\r\u0007\u001b\u007fé😀{}#~!%^,=()[]&|;<>?/ab ".split(""),
    ),
    minLength: 3,
    maxLength: 40,
  })
  .map((middle) => `k${middle.toWellFormed()}z`);

/** What the printers of a JavaScript task write; `X` stands where the secret may. */
const inspections: Record<string, { print: (value: string) => string; shown: string }> = {
  "an object": { print: (value) => inspect({ v: value }), shown: "{ v: 'X' }" },
  "an array": { print: (value) => inspect([value]), shown: "[ 'X' ]" },
  "a map": { print: (value) => inspect(new Map([["v", value]])), shown: "Map(1) { 'v' => 'X' }" },
  "%o": { print: (value) => format("%o", value), shown: "'X'" },
  "a key": { print: (value) => inspect({ [`.${value}`]: 1 }), shown: "{ '.X': 1 }" },
  "an error's property": {
    print: (value) => inspect(Object.assign(new Error("e"), { stack: "E", code: value })),
    shown: "[E] { code: 'X' }",
  },
  "JSON in an object": {
    print: (value) => inspect({ body: JSON.stringify({ v: value }) }, { breakLength: 500 }),
    shown: `{ body: '{"v":"X"}' }`,
  },
  "beside every other quote": {
    print: (value) => inspect({ v: `'"${value}'"` }, { breakLength: 500 }),
    shown: "",
  },
};

function plain(text: string): string {
  return text.replace(/["`]/g, "'").replace(/\s+/g, " ");
}

async function shell(value: string, script: string): Promise<string> {
  const { stdout, stderr } = await new Bash({ env: { V: value } }).exec(script);
  return stdout + stderr;
}

/** The text may stand in no quotes, `'`, `"` or `$'`. */
const QUOTED_MASK = `(\\$?'\\*{3}'|"\\*{3}"|\\*{3})`;
const commands: [string, RegExp][] = [
  ["printf '%q\\n' \"$V\"", new RegExp(`^${QUOTED_MASK}\n$`)],
  ["declare -p V", new RegExp(`^declare -x V=${QUOTED_MASK}\n$`)],
  ["export -p", new RegExp(`declare -x V=${QUOTED_MASK}\n$`)],
  ["set", new RegExp(`\nV=${QUOTED_MASK}\n`)],
  ['set -x; : "$V"', new RegExp(`^\\+ : ${QUOTED_MASK}\n$`)],
  // In quotes, since a word that is split is another one.
  [`printf '%s\\n' "$` + '{V@Q}"', new RegExp(`^${QUOTED_MASK}\n$`)],
  ["jq -nr 'env.V|@sh'", new RegExp(`^${QUOTED_MASK}\n$`)],
];

describe("masking of quoted values", () => {
  it.each(Object.entries(inspections))("hides a secret that util.inspect shows in %s", (_, of) => {
    fc.assert(
      fc.property(awkward, (value) => {
        const out = createMasker([value]).mask(of.print(value));
        expect(out).toContain(MASK);
        // Between the letters at its ends nothing of the value is left.
        expect(out.replace(/code|body/g, "")).not.toMatch(/k.*z/s);
        if (of.shown !== "") expect(plain(out)).toBe(plain(of.shown.replace("X", MASK)));
      }),
      { numRuns: 300 },
    );
  });

  it.each(commands)("hides a secret that a shell task prints by %s", async (script, expected) => {
    await fc.assert(
      fc.asyncProperty(awkward, async (value) => {
        expect(createMasker([value]).mask(await shell(value, script))).toMatch(expected);
      }),
      { numRuns: 60 },
    );
  });

  // Printed by bash 5.2, dash 0.5 and Python 3.11 of the value that each line begins with.
  it.each([
    ["printf %q", `a"b\\c'd\`e$f g!~#`, `a\\"b\\\\c\\'d\\\`e\\$f\\ g\\!~#`],
    ["printf %q, leading tilde", "~a#b c", "\\~a#b\\ c"],
    ["declare -p", `a"b\\c'd\`e$f g`, `a\\"b\\\\c'd\\\`e\\$f g`],
    ["set -x", `a"b\\c'd\`e$f g`, `a"b\\c'\\''d\`e$f g`],
    ["export -p of dash", `a"b\\c'd e`, `a"b\\c'"'"'d e`],
    ["control characters", "a\u0001\u0007\u001b\n'\"é", `a\\001\\a\\E\\n\\'"é`],
    ["the C locale", "a\n'é€", "a\\n\\'\\303\\251\\342\\202\\254"],
    ["repr", "a\u001b\b\n\"'b", "a\\x1b\\x08\\n\"\\'b"],
  ])("hides what %s prints", (_, value, printed) => {
    expect(createMasker([value]).mask(`<${printed}>`)).toBe(`<${MASK}>`);
  });

  it("hides a backslash that is doubled and nothing else", () => {
    expect(createMasker([`a"\\b'`]).mask(`<a"\\\\b'>`)).toBe(`<${MASK}>`);
  });

  it.each([
    ["quotes and backslashes", `"\\'`],
    ["every quote", `é+/~!*'()\\"\`$ `],
    ["control characters", "\u0001\u001f\u007f~'\\ÿ/+"],
    ["lines of both", `a'"\\é$\u0001~\n`],
  ])("keeps a secret of the largest size within bounds: %s", (_, unit) => {
    const value = `<${unit.repeat(LARGEST)}`.slice(0, LARGEST - 1);
    const cut = Buffer.from(value).subarray(0, LARGEST).toString().replaceAll("\ufffd", "");
    expect(planOf(secretForms([cut])).nodes).toBeLessThan(MAX_PATTERN_NODES);
    const masker = createMasker([cut]);
    const once = { maxStringLength: null, breakLength: LARGEST * 2 };
    expect(masker.mask(inspect([cut.trim()], once)).length).toBeLessThan(20);
  });

  it("keeps a JSON secret of the largest size within bounds", () => {
    const members = Array.from({ length: 1_400 }, (_, n) => [`key ${n}`, `it's "${n}" \\ é here`]);
    const value = JSON.stringify(Object.fromEntries(members), null, 2);
    expect(value.length).toBeGreaterThan(LARGEST * 0.8);
    expect(Buffer.byteLength(value)).toBeLessThanOrEqual(LARGEST);
    const masker = createMasker([value]);
    expect(masker.mask(inspect({ a: `it's "700" \\ é here` }))).toBe(`{ a: \`${MASK}\` }`);
  });
});

describe("masking of JSON secrets", () => {
  const key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0\n-----END PRIVATE KEY-----\n";
  const account = JSON.stringify({
    type: "service",
    private_key: key,
    nested: [{ "client secret": "it's-a-deep-one" }, 12_345_678, null, true],
  });

  it("hides the whole, however it is printed", () => {
    const masker = createMasker([account]);
    expect(masker.mask(inspect({ GCP: account }, { breakLength: 500 }))).toBe(
      `{\n  GCP: \`${MASK}\`\n}`.replace(/\s+/g, " "),
    );
    expect(masker.mask(`<${doubled(account)}>`)).toBe(`<${MASK}>`);
  });

  it("hides each longer string in it", () => {
    const masker = createMasker([account]);
    expect(masker.mask(`<${key.trim()}>`)).toBe(`<${MASK}>`);
    expect(masker.mask("MIIEvQIBADANBgkqhkiG9w0")).toBe(MASK);
    expect(masker.mask(inspect(["it's-a-deep-one"]))).toBe(`[ "${MASK}" ]`);
    expect(masker.mask(Buffer.from("it's-a-deep-one").toString("hex"))).toBe(MASK);
  });

  it("leaves short strings and keys in it alone", () => {
    const text = "a service with a private_key, a client secret and 12345678";
    expect(createMasker([account]).mask(text)).toBe(text);
  });

  it("takes what is no object or array as a whole", () => {
    const text = "the middle part of it";
    for (const value of [`"${text} "`, `{"a": "${text}`, `[${text}]`]) {
      expect(createMasker([value]).mask(text)).toBe(text);
    }
  });

  it("survives brackets nested deeper than the stack", () => {
    const value = `${"[".repeat(32_760)}"the-inner-one"${"]".repeat(32_760)}`;
    expect(createMasker([value]).mask("<the-inner-one>")).toBe(`<${MASK}>`);
  });
});

function doubled(text: string): string {
  return text.replaceAll("\\", "\\\\");
}
