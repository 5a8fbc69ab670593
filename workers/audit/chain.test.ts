import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AuditRecord, contentOf, OUTCOMES } from "../http/audit-record.ts";
import { checkEnd, checkRows, entrySchema, ORIGIN, type Row, seal, withHash } from "./chain.ts";
import { recordOf } from "./test-support.ts";

const LOG = "project/alpha";
const AT = Date.UTC(2026, 10, 1);

function chainOf(records: readonly AuditRecord[]): Row[] {
  const rows: Row[] = [];
  for (const record of records) {
    const head = rows.at(-1) ?? ORIGIN;
    rows.push(seal(LOG, head, record, { at: AT + rows.length, from_state: null }));
  }
  return rows;
}

const records = fc
  .array(
    fc.record({
      entity_id: fc.option(fc.string()),
      outcome: fc.constantFrom(...OUTCOMES),
      status: fc.integer({ min: 100, max: 599 }),
      action: fc.string(),
      after: fc.json().map((json) => contentOf(JSON.parse(json))),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((parts) => parts.map((part, index) => recordOf(String(index), part)));
const damaged = records.chain((made) =>
  fc.record({ rows: fc.constant(chainOf(made)), at: fc.nat({ max: made.length - 1 }) }),
);

const check = (rows: readonly Row[]) => checkRows(rows, ORIGIN, []);

/** The text with one of its characters changed into another. */
function withChange(text: string, at: number): string {
  const index = at % text.length;
  const other = text[index] === "0" ? "1" : "0";
  return `${text.slice(0, index)}${other}${text.slice(index + 1)}`;
}

describe("a chain", () => {
  it("is intact as it was written, from wherever it is checked", () => {
    fc.assert(
      fc.property(damaged, ({ rows, at }) => {
        expect(check(rows).broken).toBeNull();
        expect(check(rows).head).toEqual({ seq: rows.length, hash: rows.at(-1)?.hash });
        const { head } = check(rows.slice(0, at));
        expect(checkRows(rows.slice(at), head, []).broken).toBeNull();
      }),
    );
  });

  it("names the entry of which one character was changed, whichever it is", () => {
    const column = fc.constantFrom("body", "hash");
    fc.assert(
      fc.property(damaged, column, fc.nat(), ({ rows, at }, name, place) => {
        const changed = rows.map((row, index) =>
          index === at && row[name].length > 0
            ? { ...row, [name]: withChange(row[name], place) }
            : row,
        );
        fc.pre(JSON.stringify(changed) !== JSON.stringify(rows));
        expect(check(changed).broken).toMatchObject({ seq: at + 1, fault: "changed" });
      }),
    );
  });

  it("names the entry that is found by other than it says, or by nothing", () => {
    const column = fc.constantFrom("id", "actor", "action", "outcome", "request_id");
    fc.assert(
      fc.property(damaged, fc.option(column), ({ rows, at }, name) => {
        const forge = ({ found, ...row }: Row): Row => ({
          ...row,
          found: name === null || found === null ? null : { ...found, [name]: "forged" },
        });
        const changed = rows.map((row, index) => (index === at ? forge(row) : row));
        expect(check(changed).broken).toMatchObject({ seq: at + 1, fault: "changed" });
      }),
    );
  });

  it("names the entry that was written anew with a hash of its own, by the one that follows", () => {
    fc.assert(
      fc.property(damaged, ({ rows, at }) => {
        const before = rows[at - 1] ?? ORIGIN;
        const forged = seal(LOG, before, recordOf("forged"), { at: AT, from_state: null });
        const changed = rows.map((row, index) => (index === at ? forged : row));
        const { broken, head } = check(changed);
        if (at < rows.length - 1) {
          expect(broken).toMatchObject({ seq: at + 1, fault: "rewritten" });
        } else {
          // Nothing follows the last one: what is known from elsewhere tells.
          expect(broken).toBeNull();
          const { seq = 0, hash = "" } = rows[at] ?? {};
          const known = [{ seq, hash, source: "D1" }];
          expect(checkRows(changed, ORIGIN, known).broken).toMatchObject({
            seq,
            fault: "rewritten",
          });
          expect(checkEnd(head, known)).toBeNull();
        }
      }),
    );
  });

  it("names the entry that was left out, be it the first or the last", () => {
    fc.assert(
      fc.property(damaged, ({ rows, at }) => {
        const { seq = 0, hash = "" } = rows.at(-1) ?? {};
        const { broken, head } = check(rows.filter((_, index) => index !== at));
        const found = broken ?? checkEnd(head, [{ seq, hash, source: "D1" }]);
        expect(found).toMatchObject({ seq: at + 1, fault: "missing" });
      }),
    );
  });

  it("notices two entries that changed places", () => {
    const [first, second] = chainOf([recordOf("a"), recordOf("b", { status: 201 })]);
    if (first === undefined || second === undefined) throw new Error("There are two.");
    const swapped = [
      { ...second, seq: 1 },
      { ...first, seq: 2 },
    ];
    expect(check(swapped).broken).toMatchObject({ seq: 1, fault: "changed" });
  });

  it("shows an entry as the text that was hashed, and its hash", () => {
    const [row] = chainOf([recordOf("a", { after: contentOf("x".repeat(20_000)) })]);
    if (row === undefined) throw new Error("There is one.");
    const { hash, ...entry } = JSON.parse(withHash(row));
    expect(hash).toBe(row.hash);
    expect(entrySchema.parse(entry)).toMatchObject({
      ...{ seq: 1, project_id: "alpha", previous_hash: ORIGIN.hash, after: null },
      after_digest: { bytes: 20_002 },
    });
  });
});
