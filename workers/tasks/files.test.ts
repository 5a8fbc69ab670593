import { describe, expect, it } from "vitest";
import { filesSchema } from "./files.ts";

const problems = (files: unknown) =>
  filesSchema.safeParse(files).error?.issues.map((issue) => issue.path.join("/")) ?? [];

describe("files", () => {
  it("take text, or content with an encoding and a mode", () => {
    const files = filesSchema.parse({
      "a.txt": "hey",
      "bin/run": { content: "IyEvYmluL3No", encoding: "base64", mode: "0755" },
    });
    expect(files.get("a.txt")).toEqual({ content: "hey", encoding: "utf8" });
    expect(files.get("bin/run")).toEqual({
      content: "IyEvYmluL3No",
      encoding: "base64",
      mode: "0755",
    });
  });

  it.each(["/etc/passwd", "../up", "a/../b", "a//b", "./a", "a/", "a\\b", "a\0b", ""])(
    "refuse the path %j",
    (path) => {
      expect(problems({ [path]: "x" })).toHaveLength(1);
    },
  );

  it("refuse content that is not what its encoding says", () => {
    expect(problems({ "a.bin": { content: "not base64!", encoding: "base64" } })).toEqual([
      "a.bin",
    ]);
  });

  it("refuse a file that is also the folder of another", () => {
    expect(problems({ a: "x", "a/b": "y" })).toEqual(["a"]);
  });

  it("keep a file named like a member of every object", () => {
    const files = filesSchema.parse(JSON.parse('{"constructor": "x", "toString": "y"}'));
    expect([...files.keys()]).toEqual(["constructor", "toString"]);
  });
});
