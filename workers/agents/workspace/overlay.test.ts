import { describe, expect, it } from "vitest";
import {
  EMPTY,
  filesBelow,
  isShadowed,
  MAX_FILES,
  MAX_TOTAL_BYTES,
  overlayProblem,
  withChanges,
} from "./overlay.ts";

const file = (bytes: number) => ({ sha256: "x", bytes });

describe("the files of a session", () => {
  const overlay = withChanges(EMPTY, "1", [
    { path: "src/b.ts", file: file(2) },
    { path: "src/a.ts", file: file(1) },
    { path: "README.md", file: null },
  ]);

  it("shadow what is there, deleted ones too", () => {
    expect(isShadowed(overlay, "README.md")).toBe(true);
    expect(isShadowed(overlay, "src/c.ts")).toBe(false);
    expect(isShadowed(overlay, "constructor")).toBe(false);
  });

  it("are listed by path, below a folder", () => {
    expect(filesBelow(overlay, "")).toEqual([
      { path: "src/a.ts", bytes: 1 },
      { path: "src/b.ts", bytes: 2 },
    ]);
    expect(filesBelow(overlay, "sr")).toEqual([]);
  });

  it("come back when they are written again", () => {
    const again = withChanges(overlay, "2", [{ path: "README.md", file: file(3) }]);
    expect(filesBelow(again, "").map(({ path }) => path)).toContain("README.md");
    expect(again.done).toEqual(["1", "2"]);
    expect(EMPTY.files).toEqual({});
  });

  it("are bounded in number and size", () => {
    const many = Array.from({ length: MAX_FILES + 1 }, (_, index) => ({
      path: `f${index}`,
      file: file(1),
    }));
    expect(overlayProblem(overlay)).toBeNull();
    expect(overlayProblem(withChanges(EMPTY, "1", many))).toContain("at most");
    const large = withChanges(EMPTY, "1", [{ path: "a", file: file(MAX_TOTAL_BYTES + 1) }]);
    expect(overlayProblem(large)).toContain("bytes together");
  });
});
