import { describe, expect, it } from "vitest";
import { namedPaths } from "./named-paths.ts";

describe("paths that a command names", () => {
  it.each([
    ["node code/src/main.ts --port=3000", ["code/src/main.ts"]],
    ["pytest -q code/tests/test_a.py::test_x 'code/tests/test_b.py'", ["code/tests/test_b.py"]],
    ["cd code && ./tool.sh < in.txt > ../out.txt", ["./tool.sh", "in.txt", "../out.txt"]],
    [
      'export default (_, ctx) => ctx.files.read("code/src/a.json")',
      ["ctx.files.read", "code/src/a.json"],
    ],
    ["make -C code test", []],
    ["curl https://example.com/a.txt", []],
  ])("are read from %s", (text, expected) => {
    expect(namedPaths(text)).toEqual(expected);
  });

  it("are fifty at most", () => {
    const text = Array.from({ length: 200 }, (_, n) => `f${n}.ts`).join(" ");
    expect(namedPaths(text)).toHaveLength(50);
  });
});
