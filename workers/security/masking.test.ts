import { Buffer } from "node:buffer";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createMasker, MASK, type Masker, SecretsTooLargeError } from "./masking.ts";
import { secretForms } from "./masking-forms.ts";

/** A secret with characters that every encoding treats specially; no `*`, which the mask is made of. */
const secret = fc
  .string({ unit: "grapheme", minLength: 4, maxLength: 40 })
  .map((text) => text.replaceAll("*", "x"))
  .filter((text) => text.trim().length >= 4);
/** Overlaps and self-overlaps are frequent in a small alphabet. */
const narrow = (maxLength: number) =>
  fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 4, maxLength });
const narrowText = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 200 });
const cuts = fc.array(fc.nat({ max: 12 }), { maxLength: 60 });

function inChunks(masker: Masker, text: string, lengths: readonly number[]): string {
  const stream = masker.stream();
  let out = "";
  let at = 0;
  for (const length of lengths) {
    out += stream.push(text.slice(at, at + length));
    at += length;
  }
  return out + stream.push(text.slice(at)) + stream.flush();
}

/** The obvious implementation: mark every character of every occurrence, then replace each stretch. */
function maskNaively(text: string, forms: ReadonlySet<string>): string {
  const marked = new Array<boolean>(text.length).fill(false);
  for (const form of forms) {
    for (let at = text.indexOf(form); at !== -1; at = text.indexOf(form, at + 1)) {
      marked.fill(true, at, at + form.length);
    }
  }
  let out = "";
  for (let at = 0; at < text.length; at += 1) {
    if (!marked[at]) out += text.charAt(at);
    else if (at === 0 || !marked[at - 1]) out += MASK;
  }
  return out;
}

/** How tools print a value; written without the code under test. */
const printers: Record<string, (value: string) => string> = {
  plain: (value) => value,
  json: (value) => JSON.stringify({ token: value }),
  "json in json": (value) => JSON.stringify(JSON.stringify({ token: value })),
  "json in ASCII": (value) =>
    JSON.stringify(value).replace(
      /[\u0080-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
    ),
  base64: (value) => Buffer.from(value).toString("base64"),
  base64url: (value) => Buffer.from(value).toString("base64url"),
  "basic auth": (value) => `Basic ${Buffer.from(`user:${value}`).toString("base64")}`,
  "base64 of a header": (value) => Buffer.from(`Bearer ${value}\n`).toString("base64"),
  "base64url at offset 2": (value) => Buffer.from(`k=${value}&x=1`).toString("base64url"),
  "url component": (value) => encodeURIComponent(value),
  "url query": (value) => new URLSearchParams({ q: value }).toString(),
  "url path": (value) => encodeURI(value),
  hex: (value) => Buffer.from(value).toString("hex"),
  "upper-case hex": (value) => Buffer.from(value).toString("hex").toUpperCase(),
};

describe("masking", () => {
  it.each(Object.entries(printers))("hides a secret printed as %s", (_, print) => {
    fc.assert(
      fc.property(secret, fc.string(), cuts, (value, around, lengths) => {
        const sound = value.toWellFormed();
        const printed = print(sound);
        const out = inChunks(createMasker([sound]), `${around}${printed}${around}`, lengths);
        expect(out).toContain(MASK);
        expect(out).not.toContain(sound.trim());
        expect(out).not.toContain(Buffer.from(sound.trim()).toString("hex"));
        // What is left of an encoding that holds other bytes too is at most a digit at each edge.
        const left = out.split(MASK).join("");
        expect(left.length).toBeLessThanOrEqual(around.length * 2 + printed.length - 4);
      }),
    );
  });

  it("equals the obvious implementation, however the text is cut", () => {
    const secrets = fc.array(fc.oneof(narrow(6), narrow(30)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(
        secrets,
        fc.array(fc.oneof(narrowText, fc.nat(3)), { maxLength: 8 }),
        cuts,
        (values, parts, lengths) => {
          const text = parts
            .map((part) => (typeof part === "string" ? part : (values[part % values.length] ?? "")))
            .join("");
          const masker = createMasker(values);
          const expected = maskNaively(text, secretForms(values));
          expect(masker.mask(text)).toBe(expected);
          expect(inChunks(masker, text, lengths)).toBe(expected);
        },
      ),
      { numRuns: 500 },
    );
  });

  it("passes text without secrets byte for byte", () => {
    fc.assert(
      fc.property(
        fc.array(secret, { maxLength: 3 }),
        fc.string({ unit: "binary", maxLength: 300 }),
        cuts,
        (values, text, lengths) => {
          fc.pre([...secretForms(values)].every((form) => !text.includes(form)));
          expect(inChunks(createMasker(values), text, lengths)).toBe(text);
        },
      ),
    );
  });

  it("holds back only the longest suffix that a secret starts with", () => {
    fc.assert(
      fc.property(narrow(12), narrowText, (value, text) => {
        const forms = [...secretForms([value])];
        let held = 0;
        for (const form of forms) {
          for (let length = 1; length < form.length; length += 1) {
            if (text.endsWith(form.slice(0, length))) held = Math.max(held, length);
          }
        }
        const stream = createMasker([value]).stream();
        const shown = stream.push(text);
        const ready = maskNaively(text, new Set(forms));
        const rest = stream.flush();
        expect(shown + rest).toBe(ready);
        expect(rest.length).toBeLessThanOrEqual(held);
        if (!ready.includes(MASK)) expect(rest.length).toBe(held);
      }),
    );
  });

  it("shows a complete secret's mask at once", () => {
    const stream = createMasker(["hunter2!"]).stream();
    expect(stream.push("password: hun")).toBe("password: ");
    expect(stream.push("ter2!")).toBe(MASK);
    expect(stream.push(" ok")).toBe(" ok");
    expect(stream.flush()).toBe("");
  });

  it("masks each line of a multi-line secret but not its structure", () => {
    const masker = createMasker(["{\n  first-part\r\n---\n  second-part\n}"]);
    expect(masker.mask("a first-part b")).toBe(`a ${MASK} b`);
    expect(masker.mask(Buffer.from("xy:second-part").toString("base64"))).toContain(MASK);
    expect(masker.mask("--- { } ---")).toBe("--- { } ---");
  });

  it("masks a secret whose file has white space around it", () => {
    expect(createMasker(["\n s3cr3t \n"]).mask("[s3cr3t]")).toBe(`[${MASK}]`);
  });

  it("masks base64 that a tool wrapped into lines", () => {
    const value = Array.from({ length: 40 }, (_, index) => `part${index}`).join("-");
    const lines =
      Buffer.from(`${value}\n`)
        .toString("base64")
        .match(/.{1,76}/g) ?? [];
    const out = createMasker([value]).mask(`${lines.join("\n")}\n`);
    expect(lines.length).toBeGreaterThan(2);
    expect(out.length).toBeLessThan(12);
  });

  it("leaves values under four characters alone", () => {
    expect(createMasker(["abc", "  a  ", ""]).mask("abc a")).toBe("abc a");
  });

  it("without values gives back the very same things", () => {
    const masker = createMasker([]);
    const value = { a: [1, "x"] };
    expect(masker.maskJson(value)).toBe(value);
    expect(masker.stream().push("text")).toBe("text");
  });

  it("masks keys, strings and numbers of JSON", () => {
    const masker = createMasker(["s3cr3t", "12345678"]);
    expect(
      masker.maskJson({
        "key-s3cr3t": ["s3cr3t", 12345678, 5, true, null, { deep: "a s3cr3t b" }],
        s3cr3t: 1,
        czNjcjN0: 2,
        "***": 3,
      }),
    ).toEqual({
      [`key-${MASK}`]: [MASK, MASK, 5, true, null, { deep: `a ${MASK} b` }],
      [MASK]: 3,
      [`${MASK} (2)`]: 2,
    });
  });

  it.each([
    [
      "lines of base64",
      () =>
        `${"QUJDRGVmZ2hpSktMbW5vcHFyc3R1dnd4eXo0NTY3ODkrL0FCQ0RlZmdoaUpLTG1u\n".repeat(1024)}`.slice(
          0,
          65_536,
        ),
    ],
    ["one repeated character", () => "a".repeat(65_536)],
    ["control characters", () => "\u0001".repeat(65_536)],
    ["letters outside ASCII", () => "é+/".repeat(16_384)],
    [
      "distinct lines",
      () =>
        Array.from({ length: 5000 }, (_, n) => `line ${n} é`)
          .join("\n")
          .slice(0, 50_000),
    ],
  ])("masks a secret of the largest size: %s", (_, make) => {
    const value = make();
    const masker = createMasker([value]);
    expect(masker.mask(`<${value}>`).length).toBeLessThan(10);
    expect(masker.mask(`<${JSON.stringify(value)}>`).length).toBeLessThan(12);
  });

  it("refuses secrets that together exceed its bound", () => {
    const values = Array.from({ length: 16 }, (_, n) => `${n}-`.repeat(20_000));
    expect(() => createMasker(values)).toThrow(SecretsTooLargeError);
  });
});
