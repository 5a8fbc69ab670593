import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { type ArchiveOptions, type ArchiveSource, readArchive, sniffFormat } from "./archive.ts";
import { IntakeError } from "./errors.ts";
import { blobDigests } from "./git-objects.ts";
import {
  pax,
  readAll,
  type TarInput,
  tarOf,
  tarSource,
  texts,
  tgzSource,
  zipOf,
  zipSource,
} from "./test-support-archives.ts";

const COMMIT = "0123456789abcdef0123456789abcdef01234567";
const commit = pax({ comment: COMMIT }, "g");
const folder = (name: string): TarInput => ({ name, type: "5" });
const tar = (...inputs: readonly TarInput[]) => tarSource(tarOf(inputs));

async function refusal(source: ArchiveSource, options: ArchiveOptions = {}): Promise<IntakeError> {
  const error = await readAll(source, options).catch((thrown: unknown) => thrown);
  if (!(error instanceof IntakeError)) throw new Error(`expected an IntakeError, got ${error}`);
  return error;
}
const refused = async (source: ArchiveSource, options: ArchiveOptions = {}) =>
  (await refusal(source, options)).code;

describe("the files of an archive", () => {
  it("come with mode, size, digests and content, the same from every format", async () => {
    const bytes = tarOf([
      { name: "bin/run", content: "#!/bin/sh\n", mode: 0o755 },
      { name: "a.txt", content: "żółć" },
      { name: "link", type: "2", target: "a.txt" },
    ]);
    const zip = zipOf([
      { name: "bin/run", content: "#!/bin/sh\n", mode: 0o100755 },
      { name: "a.txt", content: "żółć" },
      { name: "link", content: "a.txt", mode: 0o120777 },
    ]);
    const { files, summary } = await readAll(tarSource(bytes));
    expect(files.map(({ path, mode, size }) => [path, mode, size])).toEqual([
      ["bin/run", "executable", 10],
      ["a.txt", "file", 8],
      ["link", "symlink", 5],
    ]);
    for (const { oid, sha256, content } of files) {
      expect(content && blobDigests(content)).toEqual({ oid, sha256 });
    }
    expect(summary).toMatchObject({ commit: null, topFolder: null, files: 3 });
    expect((await readAll(tgzSource(gzipSync(bytes)))).files).toEqual(files);
    expect((await readAll(zipSource(zip))).files).toEqual(files);
  });

  it("lose the folder that git was told to put around them", async () => {
    const around = await readAll(
      tar(commit, folder("hono-abc/"), { name: "hono-abc/src/a" }, { name: "hono-abc/b" }),
    );
    expect(around.files.map(({ path }) => path)).toEqual(["src/a", "b"]);
    expect(around.summary).toMatchObject({ commit: COMMIT, topFolder: "hono-abc" });
    const zip = await readAll(zipSource(zipOf([{ name: "top/" }, { name: "top/a" }], COMMIT)));
    expect(zip.files.map(({ path }) => path)).toEqual(["a"]);
    const bare = zipOf([{ name: "src/" }, { name: "src/a" }, { name: "b" }], COMMIT);
    expect((await readAll(zipSource(bare))).files.map(({ path }) => path)).toEqual(["src/a", "b"]);
  });

  it("keep their folders when git did not make the archive, and when told so", async () => {
    const own = tar(folder("src/"), { name: "src/a" });
    expect((await readAll(own)).files.map(({ path }) => path)).toEqual(["src/a"]);
    const told = tar(commit, folder("src/"), { name: "src/a" }, { name: "b" });
    const { files } = await readAll(told, { strip: 0 });
    expect(files.map(({ path }) => path)).toEqual(["src/a", "b"]);
    const two = tar(folder("x/"), { name: "x/y/a" }, folder("x/y/"), { name: "x/y/z/b" });
    expect(texts((await readAll(two, { strip: 2 })).files)).toEqual({ a: "", "z/b": "" });
  });

  it("are refused when one lies beside the folder that was taken off", async () => {
    const beside = [commit, folder("src/"), { name: "src/a" }, { name: "b/c" }];
    expect(await refused(tar(...beside))).toBe("top_folder_ambiguous");
    expect(await refused(tar({ name: "a" }), { strip: 1 })).toBe("top_folder_ambiguous");
  });

  it("may be spelled with a leading ./", async () => {
    const { files } = await readAll(tar(folder("./"), folder("./src/"), { name: "./src/a" }));
    expect(files.map(({ path }) => path)).toEqual(["src/a"]);
  });

  it("are hard links when their target came before", async () => {
    const target = { name: "top/a", content: "one", mode: 0o755 };
    const link = { name: "top/b", type: "1", target: "top/a" };
    const { files } = await readAll(tar(commit, folder("top/"), target, link));
    const [a, b] = files;
    expect(b).toEqual({ ...a, path: "b", content: null, skipped: "hard_link" });
    expect(await refused(tar(link, target))).toBe("hard_link_unresolved");
    const outside = { name: "b", type: "1", target: "../../etc/passwd" };
    expect(await refused(tar(outside))).toBe("path_unsafe");
  });

  it("are listed without content above the size that is indexed", async () => {
    const content = "x".repeat(5_000);
    const limits = { maxIndexedBytes: 4_999 };
    const expected = {
      size: 5_000,
      content: null,
      skipped: "too_large",
      ...blobDigests(Buffer.from(content)),
    };
    const fromTar = await readAll(tar({ name: "a", content }), { limits });
    const fromZip = await readAll(zipSource(zipOf([{ name: "a", content }])), { limits });
    for (const { files } of [fromTar, fromZip]) expect(files[0]).toMatchObject(expected);
  });

  it("are noted when their paths are odd, and taken all the same", async () => {
    const { files } = await readAll(
      tar(
        { name: "README" },
        { name: "readme" },
        { name: "Src/a" },
        { name: "src/b" },
        { name: "é" },
        { name: "e\u0301" },
        { name: "x\u202Etxt" },
        { name: new Uint8Array([0xe9, 0x31]) },
      ),
    );
    expect(files.map(({ notes }) => notes.map(({ kind, other }) => [kind, other]))).toEqual([
      [],
      [["case_collision", "README"]],
      [],
      [["case_collision", "Src"]],
      [],
      [
        ["not_normalized", null],
        ["unicode_collision", "é"],
      ],
      [["hidden_characters", null]],
      [["not_utf8", null]],
    ]);
  });
});

describe("an archive is refused", () => {
  it("for a path that leaves the codebase, or lies in git's own folder", async () => {
    const unsafe = [
      "/etc/passwd",
      "../a",
      "a/../../b",
      "a/./b",
      "a//b",
      "C:/a",
      "c:a",
      "a\\b",
      ".git/config",
      "a/.GIT/hooks/x",
      "sub/.git",
      "GIT~1/x",
      ".git./x",
      ".g\u200Cit/x",
      ".git::$INDEX/x",
    ];
    for (const name of unsafe) {
      expect(await refused(tar({ name })), name).toBe("path_unsafe");
      expect(await refused(zipSource(zipOf([{ name }]))), name).toBe("path_unsafe");
    }
    expect(await refused(tar(pax({ path: "a\0b" }), { name: "x" }))).toBe("path_unsafe");
    for (const name of [".gitignore", ".github/x", "a.git/x", "...", "git~2"]) {
      expect((await readAll(tar({ name }))).files).toHaveLength(1);
    }
  });

  it("for paths that are long, deep, double, or below a file", async () => {
    const limits = { maxPathBytes: 10, maxPathDepth: 3 };
    expect(await refused(tar({ name: "a".repeat(11) }), { limits })).toBe("path_too_long");
    expect(await refused(tar({ name: "é".repeat(6) }), { limits })).toBe("path_too_long");
    expect(await refused(tar({ name: "a/b/c/d" }), { limits })).toBe("path_too_long");
    expect(await refused(tar({ name: "a" }, { name: "./a" }))).toBe("path_duplicate");
    for (const [first, second] of [
      ["a", "a/b"],
      ["a/b", "a"],
      ["a/b/c", "a/b"],
    ] as const) {
      expect(await refused(tar({ name: first }, { name: second }))).toBe("path_conflict");
    }
    const link = { name: "a", type: "2", target: "/etc" };
    expect(await refused(tar(link, { name: "a/passwd" }))).toBe("path_conflict");
    expect(await refused(tar({ name: "a" }, folder("a/")))).toBe("path_conflict");
  });

  it("when it is larger than is taken, and says what to do", async () => {
    const content = "x".repeat(3_000);
    const bytes = tarOf([
      { name: "a", content },
      { name: "b", content },
    ]);
    const code = (limits: ArchiveOptions["limits"] = {}) =>
      Promise.all([
        refused(tarSource(bytes), { limits }),
        refused(tgzSource(gzipSync(bytes)), { limits }),
        refused(
          zipSource(
            zipOf([
              { name: "a", content },
              { name: "b", content },
            ]),
          ),
          { limits },
        ),
      ]);
    expect(new Set(await code({ maxArchiveBytes: 50 }))).toEqual(new Set(["archive_too_large"]));
    expect(new Set(await code({ maxUnpackedBytes: 5_000 }))).toEqual(
      new Set(["unpacked_too_large"]),
    );
    expect(new Set(await code({ maxEntries: 1 }))).toEqual(new Set(["too_many_entries"]));
    const { message } = await refusal(tarSource(bytes), { limits: { maxEntries: 1 } });
    expect(message).toContain("Leave out");
  });

  it("when it unpacks to far more than it is, before it is unpacked", async () => {
    const zeros = { name: "zeros", content: Buffer.alloc(40_000_000) };
    const bomb = gzipSync(tarOf([zeros]));
    expect(await refused(tgzSource(bomb))).toBe("archive_ratio");
    expect(await refused(zipSource(zipOf([zeros])))).toBe("archive_ratio");
  });

  it("when its gzip is cut off, damaged or none", async () => {
    const whole = gzipSync(tarOf([{ name: "a", content: "abc" }]));
    expect(await refused(tgzSource(whole.subarray(0, -4)))).toBe("archive_truncated");
    expect(await refused(tgzSource(Buffer.from("no gzip at all")))).toBe("archive_malformed");
    const flipped = Buffer.from(whole);
    flipped.writeUInt8(flipped.readUInt8(whole.byteLength - 6) ^ 1, whole.byteLength - 6);
    expect(await refused(tgzSource(flipped))).toBe("archive_malformed");
  });
});

describe("reading an archive", () => {
  it("passes the errors of the source on as they are", async () => {
    const failing = async function* () {
      yield gzipSync(tarOf([{ name: "a" }])).subarray(0, 20);
      throw new TypeError("the network is gone");
    };
    const source: ArchiveSource = { format: "tar.gz", stream: failing() };
    await expect(readAll(source)).rejects.toThrow(TypeError);
    const file = { size: 100, read: () => Promise.reject(new TypeError("gone")) };
    await expect(readAll({ format: "zip", file })).rejects.toThrow(TypeError);
  });

  it("lets go of the source when it is stopped early", async () => {
    let isClosed = false;
    const stream = async function* () {
      try {
        for (;;) yield tarOf([{ name: "a" }], { end: false });
      } finally {
        isClosed = true;
      }
    };
    for await (const file of readArchive({ format: "tar", stream: stream() })) {
      expect(file.path).toBe("a");
      break;
    }
    expect(isClosed).toBe(true);
  });

  it("begins with knowing the format", () => {
    expect(sniffFormat(gzipSync("x"))).toBe("tar.gz");
    expect(sniffFormat(zipOf([]))).toBe("zip");
    expect(sniffFormat(zipOf([{ name: "a" }]))).toBe("zip");
    expect(sniffFormat(tarOf([{ name: "a" }]))).toBe("tar");
    expect(() => sniffFormat(Buffer.from("text"))).toThrow(IntakeError);
  });
});
