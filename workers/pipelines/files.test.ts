import { expect, test } from "vitest";
import { MAX_INLINE_FILES_BYTES } from "../tasks/files.ts";
import { definitionSchema } from "./definition-schema.ts";
import { separateFiles } from "./files.ts";

const large = "x".repeat(MAX_INLINE_FILES_BYTES + 1);
const step = (name: string, content: string) => ({
  name,
  command: "true",
  files: { "a.txt": content },
});

/** As much of a bucket as is used, which remembers what was put. */
function bucket() {
  const stored = new Map<string, string>();
  const put = async (key: string, value: string) => stored.set(key, value);
  return { stored, blobs: { put } };
}

test("few files stay with their step; many are stored once for what they are", async () => {
  const { stored, blobs } = bucket();
  const tasks = [step("small", "few"), step("one", large), step("two", large)];
  const sent = definitionSchema.parse({ name: "p", tasks });
  const { definition, files } = await separateFiles(sent, blobs, (sha256) => `f/${sha256}`);
  expect(definition.tasks.map((task) => task.files !== undefined)).toEqual([true, false, false]);
  expect(Object.keys(files)).toEqual(["one", "two"]);
  expect(files.one?.entries).toEqual([{ path: "a.txt", bytes: large.length }]);
  expect(files.one?.set).toEqual(files.two?.set);
  expect(stored.size).toBe(1);
});

test("a definition without large files is the one that was given", async () => {
  const { stored, blobs } = bucket();
  const sent = definitionSchema.parse({ name: "p", tasks: [step("small", "few")] });
  const separated = await separateFiles(sent, blobs, (sha256) => sha256);
  expect(separated).toEqual({ definition: sent, files: {} });
  expect(stored.size).toBe(0);
});
