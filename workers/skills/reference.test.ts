import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  DEFAULT_VERSION,
  formatReference,
  parseReference,
  parseVersionName,
  type VersionName,
} from "./reference.ts";
import { isSemver, nextPatch } from "./semver.ts";

const slug = fc.stringMatching(/^[a-z0-9]{1,8}(?:-[a-z0-9]{1,8}){0,4}$/);
const semver = fc.stringMatching(
  /^[1-9]\d{0,3}\.[1-9]\d{0,3}\.(?:0|[1-9]\d{0,3})(?:-[a-z]{1,5}(?:\.[1-9])?)?(?:\+[0-9a-f]{1,7})?$/,
);
const version: fc.Arbitrary<VersionName> = fc.oneof(
  fc.constant(DEFAULT_VERSION),
  fc.constant<VersionName>({ kind: "latest" }),
  fc
    .integer({ min: 1, max: 999_999_999 })
    .map((number): VersionName => ({ kind: "number", number })),
  semver.map((text): VersionName => ({ kind: "version", text })),
  fc.stringMatching(/^sha256:[0-9a-f]{64}$/).map((text): VersionName => ({ kind: "digest", text })),
  fc
    .stringMatching(/^[a-z][a-z0-9-]{0,20}$/)
    .filter((text) => text !== "latest" && text !== "default")
    .map((text): VersionName => ({ kind: "alias", text })),
);

describe("a reference to a skill", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(fc.record({ skill: slug, version }), (reference) => {
        expect(parseReference(formatReference(reference))).toEqual(reference);
      }),
    );
  });

  it("is written as it was read, whatever text it was, or is refused", () => {
    const text = fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9@:.+-]{0,30}$/));
    fc.assert(
      fc.property(text, (written) => {
        const reference = parseReference(written);
        if (reference !== null && !written.endsWith("@default")) {
          expect(formatReference(reference)).toBe(written);
        }
      }),
    );
  });

  it.each([
    "",
    "@",
    "a@",
    "@1",
    "A",
    "a--b",
    "a@0",
    "a@01",
    "a@1.2",
    "a@1@2",
    "a@sha256:ab",
    "a b",
  ])("is not %j", (text) => {
    expect(parseReference(text)).toBeNull();
  });

  it("names the default in two ways", () => {
    expect(parseReference("a@default")).toEqual(parseReference("a"));
  });
});

describe("a version", () => {
  it("is one kind of name alone", () => {
    expect(
      ["3", "1.2.0", "latest", "default", "stable", `sha256:${"0".repeat(64)}`].map(
        (text) => parseVersionName(text)?.kind,
      ),
    ).toEqual(["number", "version", "latest", "default", "alias", "digest"]);
  });

  it.each([
    ["1.0.0", "1.0.1"],
    ["1.9.9", "1.9.10"],
    ["2.0.0-rc.1", "2.0.0"],
    ["1.2.3+build", "1.2.4"],
  ])("%s is followed by %s", (before, after) => {
    expect(nextPatch(before)).toBe(after);
  });

  it.each(["1.0", "01.0.0", "1.0.0-", "1.0.0-01", "v1.0.0", `1.0.0-${"a".repeat(64)}`])(
    "is not %s",
    (text) => {
      expect(isSemver(text)).toBe(false);
    },
  );

  it("is followed by one that is a version too", () => {
    fc.assert(fc.property(semver, (text) => isSemver(text) && isSemver(nextPatch(text))));
  });
});
