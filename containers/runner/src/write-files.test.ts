/** What the operating system refuses of a task's files, in words; root is refused little, so by error. */
import { describe, expect, it } from "vitest";
import { AttemptFailed } from "../../../workers/executors/outcome.ts";
import { keepArtifact } from "./artifact-errors.ts";
import { notWritten } from "./write-files.ts";

const refused = (code: string) => Object.assign(new Error(`${code}: refused`), { code });

describe("a file that is refused", () => {
  it.each([
    ["EACCES", "may not be written"],
    ["ENAMETOOLONG", "is too long. Shorten it"],
    ["EISDIR", "is both a file and a folder"],
  ])("by %s when it is written has a code of its own", (code, words) => {
    const failure = notWritten("a/b", refused(code));
    if (!(failure instanceof AttemptFailed)) throw new Error("it is no failure of the attempt");
    expect(failure.outcome).toMatchObject({ code: "file_path_invalid" });
    expect(failure.message).toContain(`The path "a/b" ${words}`);
  });

  it("for a reason that is none of the task's stays what it is", () => {
    const error = refused("EIO");
    expect(notWritten("a", error)).toBe(error);
  });

  it("when it is read as an artifact is told apart from a service that takes none", async () => {
    const keep = (code: string) => keepArtifact("a", () => Promise.reject(refused(code)));
    await expect(keep("EACCES")).rejects.toMatchObject({
      outcome: { code: "artifact_unreadable", message: expect.stringContaining("Leave it") },
    });
    await expect(keep("EIO")).rejects.toMatchObject({ outcome: { code: "artifact_not_stored" } });
  });
});
