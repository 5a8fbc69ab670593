import { format, inspect } from "node:util";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createMasker, MASK } from "./masking.ts";

/** Local tasks print by the `node:util` of workerd, which is not that of Node.js. */
describe("masking of what workerd prints", () => {
  const awkward = fc
    .string({ unit: fc.constantFrom(..."\\\\\"'`$\n\t\u001b\u007fé{} ab"), minLength: 3 })
    .map((middle) => `k${middle}z`);

  it("hides a secret in objects, formats and properties of errors", () => {
    fc.assert(
      fc.property(awkward, (value) => {
        const masker = createMasker([value]);
        const error = Object.assign(new Error("e"), { stack: "E", reason: value });
        for (const printed of [inspect({ v: value }), format("%o", [value]), inspect(error)]) {
          const out = masker.mask(printed);
          expect(out).toContain(MASK);
          expect(out).not.toMatch(/k.*z/s);
        }
      }),
    );
  });

  it("hides a service account in the environment", () => {
    const value = '{"private_key":"-----BEGIN\\nMIIE"}';
    expect(createMasker([value]).mask(inspect({ GCP: value }))).toBe(`{ GCP: '${MASK}' }`);
  });
});
