import { describe, expect, it } from "vitest";
import { matcher, nameOfBytes, nameOfText, namingProblem } from "./artifact-path.ts";

describe("the name of an artifact", () => {
  it.each(["a", "out/é – 日本語.txt", " a b\t", ".hidden", "a:b*?\"'"])("may be %j", (path) => {
    expect(namingProblem(nameOfText(path))).toBeNull();
    expect(namingProblem(nameOfBytes(Buffer.from(path)))).toBeNull();
  });

  it.each([
    ["a\nb", String.raw`"a\nb"`],
    ["a\r", String.raw`"a\r"`],
    ["a\u2028b", String.raw`"a\u2028b"`],
    ["a\\b", String.raw`"a\\b"`],
    ["../a", '"../a"'],
  ])("may not be %j, which is shown escaped", (path, shown) => {
    for (const name of [nameOfText(path), nameOfBytes(Buffer.from(path))]) {
      const problem = namingProblem(name);
      expect(problem).toContain(`The artifact ${shown} cannot`);
      expect(problem).toContain("UTF-8 without backslashes and line breaks");
    }
  });

  it("may be no other bytes than UTF-8, which are shown as they are", () => {
    const bytes = Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x0a, 0x5c]);
    const name = nameOfBytes(bytes);
    expect(name.path).toBe("caf\ufffd\n\\");
    expect(namingProblem(name)).toContain(String.raw`"caf\xe9\x0a\x5c"`);
    expect(namingProblem(nameOfText("caf\ufffd"))).not.toBeNull();
    expect(namingProblem(nameOfText("\ud800"))).not.toBeNull();
    // What stands for other bytes may also be meant.
    expect(namingProblem(nameOfBytes(Buffer.from("\ufffd")))).toBeNull();
  });

  it("is cut where it is shown", () => {
    expect(nameOfText(`${"x".repeat(500)}\n`).shown.length).toBeLessThan(300);
  });
});

describe("a glob", () => {
  it.each([
    ["**", "a\nb"],
    ["*.txt", "a\u2028b.txt"],
    ["out", "out/a\nb/c"],
    ["./out/", "out/.hidden"],
  ])("%j matches %j", (glob, path) => {
    expect(matcher([glob])(path)).toBe(true);
  });

  it("matches nothing else", () => {
    expect(matcher(["*.txt", "out"])("sub/a.txt")).toBe(false);
    expect(matcher(["out"])("outer/a")).toBe(false);
  });
});
