import { describe, expect, it } from "vitest";
import { Scrubber } from "./scrub.ts";

/** What comes out of each chunk, and in the end. */
function pass(secrets: readonly string[], chunks: readonly string[]): string[] {
  const scrubber = new Scrubber(secrets.map((secret) => Buffer.from(secret)));
  const passed = chunks.map((chunk) => scrubber.push(Buffer.from(chunk)).toString());
  return [...passed, scrubber.flush().toString()];
}

describe("Scrubber", () => {
  it.each([
    ["nothing to hide", [], ["abc"], ["abc", ""]],
    ["an empty secret", [""], ["abc"], ["abc", ""]],
    ["a secret", ["hush"], ["a hush b hush"], ["a *** b ***", ""]],
    ["a secret cut in two", ["hush"], ["a hu", "sh b"], ["a ", "*** b", ""]],
    ["what only begins like one", ["hush"], ["a hu", "t b"], ["a ", "hut b", ""]],
    ["the beginning of one at the end", ["hush"], ["hus"], ["", "hus"]],
    ["the longer of two", ["hush", "hush hush"], ["a hush hush hush b"], ["a *** *** b", ""]],
    ["a shorter one when the longer is not there", ["ab", "abcd"], ["abc", "x"], ["", "***cx", ""]],
    ["a secret without its last line end", ["key\n"], ["key"], ["", "***"]],
    ["repeated beginnings", ["aab"], ["aaab"], ["a***", ""]],
    ["text beyond ASCII", ["schlüssel"], ["ä schlüssel ä"], ["ä *** ä", ""]],
  ])("handles %s", (_name, secrets, chunks, expected) => {
    expect(pass(secrets, chunks)).toEqual(expected);
  });
});
