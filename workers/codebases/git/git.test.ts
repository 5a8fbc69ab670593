/** Packs and servers of git itself: every object is what git says, and damage is named as such. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GitServer, hasHttpBackend, TestRepository } from "../../test/git-server.ts";
import { Random } from "../../test/random.ts";
import { IntakeError } from "../intake/errors.ts";
import { buildTrees } from "../intake/trees.ts";
import { readAdvertisement, resolveRef } from "./advertisement.ts";
import { applyDelta } from "./delta.ts";
import { commitFiles } from "./files.ts";
import { Pack } from "./pack.ts";
import { pktLine, pktLines } from "./pkt-line.ts";
import { GitRemote } from "./remote.ts";

const folder = mkdtempSync(join(tmpdir(), "pipelzr-pack-"));
let repository: TestRepository;
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const turn = async () => undefined;
const read = (bytes: Uint8Array) => Pack.read(Buffer.from(bytes), turn);

beforeAll(() => {
  repository = new TestRepository(join(folder, "repository"));
  const random = new Random(5);
  let text = "";
  for (let version = 0; version < 12; version += 1) {
    text += `${Array.from({ length: 200 }, () => random.below(1_000)).join("\n")}\n`;
    writeFileSync(join(repository.folder, "grows.txt"), text);
    writeFileSync(join(repository.folder, `v${version}.txt`), `${version}\n${text}`);
    repository.commit(`version ${version}`);
  }
  repository.git("tag", "--annotate", "--message", "a tag", "v1");
});

/** All objects of the repository as git packs them. */
function packOf(...options: readonly string[]): Buffer {
  const words = ["pack-objects", "--all", "--quiet", "--no-reuse-delta", ...options];
  const name = repository.git(...words, join(folder, "out"));
  return readFileSync(join(folder, `out-${name}.pack`));
}

describe("a pack", () => {
  it.each([
    ["without deltas", ["--window=0"]],
    ["of deltas by offset", ["--delta-base-offset", "--depth=50"]],
    ["of deltas by name", ["--depth=50"]],
  ])("%s holds every object as git has it", async (_, options) => {
    const pack = await read(packOf(...options));
    const listed = repository.git(
      "cat-file",
      "--batch-check=%(objectname) %(objecttype) %(objectsize)",
      "--batch-all-objects",
    );
    const lines = listed.split("\n");
    // A commit, a tree and two files a version, and a tag.
    expect(lines).toHaveLength(49);
    for (const line of lines) {
      const [oid = "", type = "", size] = line.split(" ");
      const found = pack.get(oid);
      expect([found.type, String(found.content.byteLength)]).toEqual([type, size]);
      const hash = createHash("sha1").update(`${type} ${size}\0`).update(found.content);
      expect(hash.digest("hex")).toBe(oid);
    }
  });

  it("gives the files of a commit, and of the commit that a tag names", async () => {
    const pack = await read(packOf());
    for (const revision of ["HEAD", "HEAD~5", "v1"]) {
      const walk = commitFiles(pack, repository.git("rev-parse", revision));
      const files = [];
      let next = await walk.next();
      for (; next.done !== true; next = await walk.next()) files.push(next.value);
      expect(next.value.commit).toBe(repository.git("rev-parse", `${revision}^{commit}`));
      expect(buildTrees(files).root).toBe(repository.tree(revision));
    }
  });

  it("is refused when a byte of it is wrong, or it is cut off, and nothing worse happens", async () => {
    const whole = packOf("--delta-base-offset");
    const random = new Random(11);
    for (let round = 0; round < 60; round += 1) {
      const bytes = Buffer.from(whole);
      if (round % 3 === 0) {
        await expect(read(bytes.subarray(0, random.below(bytes.length)))).rejects.toThrow(
          IntakeError,
        );
        continue;
      }
      const at = 12 + random.below(bytes.length - 32);
      bytes[at] = (bytes[at] ?? 0) ^ (1 + random.below(255));
      await expect(read(bytes)).rejects.toMatchObject({ code: "archive_malformed" });
      // The same with a checksum that fits: what is read is whatever it is, under another name.
      const end = bytes.length - 20;
      createHash("sha1").update(bytes.subarray(0, end)).digest().copy(bytes, end);
      const outcome = await read(bytes).catch((error: unknown) => error);
      if (outcome instanceof Pack) {
        expect(() => {
          for (const line of repository.git("rev-list", "--objects", "--all").split("\n")) {
            outcome.get(line.slice(0, 40));
          }
        }).toThrow(IntakeError);
      } else expect(outcome).toBeInstanceOf(IntakeError);
    }
  });

  it("is refused when an object is too large, or unpacks to more than is sensible", async () => {
    const huge = packWith([object(3, 40_000_000, deflateSync(Buffer.alloc(40_000_000)))]);
    await expect(read(huge)).rejects.toMatchObject({ code: "source_too_large" });
    const zeros = deflateSync(Buffer.alloc(20_000_000));
    const many = packWith(Array.from({ length: 5 }, () => object(3, 20_000_000, zeros)));
    await expect(read(many)).rejects.toMatchObject({ code: "archive_ratio" });
    const liar = packWith([object(3, 10, zeros)]);
    await expect(read(liar)).rejects.toMatchObject({ code: "archive_malformed" });
  });
});

function object(type: number, size: number, data: Uint8Array): Buffer {
  const head = [];
  let left = Math.floor(size / 16);
  head.push((type << 4) | (size % 16) | (left > 0 ? 128 : 0));
  for (; left > 0; left = Math.floor(left / 128)) head.push((left % 128) | (left >= 128 ? 128 : 0));
  return Buffer.concat([Buffer.from(head), data]);
}

function packWith(objects: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(12);
  head.write("PACK");
  head.writeUInt32BE(2, 4);
  head.writeUInt32BE(objects.length, 8);
  const body = Buffer.concat([head, ...objects]);
  return Buffer.concat([body, createHash("sha1").update(body).digest()]);
}

describe("a delta", () => {
  const base = Buffer.from("hello");

  it("copies and inserts", () => {
    // 5 bytes become 8: two from the start, "+++", three from the middle.
    const delta = Buffer.from([5, 8, 0x90, 2, 3, 0x2b, 0x2b, 0x2b, 0x91, 2, 3]);
    expect(applyDelta(base, delta, 100).toString()).toBe("he+++llo");
  });

  it.each([
    ["is of another base", [6, 1, 1, 65]],
    ["copies beyond its base", [5, 9, 0x91, 4, 9]],
    ["makes more than it states", [5, 1, 2, 65, 65]],
    ["makes less than it states", [5, 2, 1, 65]],
    ["has a command that is none", [5, 1, 0, 1, 65]],
    ["is cut off", [5, 3, 3, 65]],
    ["states a size without end", [255, 255, 255, 255]],
  ])("is refused when it %s", (_, bytes) => {
    expect(() => applyDelta(base, Buffer.from(bytes), 100)).toThrow(IntakeError);
  });
});

async function* pieces(text: string, length: number) {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

describe("lines", () => {
  it.each([1, 3, 7, 1_000])("are the same in pieces of %i bytes", async (length) => {
    const sent = `${pktLine("one\n")}0000${pktLine("zwei ü\n")}0001`;
    const lines = [];
    for await (const line of pktLines(pieces(sent, length))) lines.push(line?.toString() ?? null);
    expect(lines).toEqual(["one\n", null, "zwei ü\n", null]);
  });

  it.each(["00", "zzzz", "<html>", "0009abc"])("are refused when they are %s", async (sent) => {
    await expect(async () => {
      for await (const line of pktLines(pieces(sent, 100))) void line;
    }).rejects.toMatchObject({ code: "source_unsupported" });
  });
});

describe("what a server says it has", () => {
  const [a, b, c] = ["a", "b", "c"].map((digit) => digit.repeat(40));
  const answer = [
    pktLine("# service=git-upload-pack\n"),
    "0000",
    pktLine(`${a} HEAD\0shallow side-band-64k symref=HEAD:refs/heads/main\n`),
    pktLine(`${a} refs/heads/main\n`),
    pktLine(`${b} refs/heads/v1\n`),
    pktLine(`${c} refs/tags/v1\n`),
    pktLine(`${c} refs/tags/v2\n`),
    pktLine(`${a} refs/tags/v2^{}\n`),
    "0000",
  ].join("");

  it("means a branch before a tag, and the commit of a tag", async () => {
    const advertisement = await readAdvertisement(pieces(answer, 50));
    expect(advertisement.capabilities).toContain("shallow");
    const resolved = [null, "main", "v1", "refs/tags/v1", "v2", b].map((name) =>
      resolveRef(advertisement, name ?? null),
    );
    expect(resolved).toEqual([a, a, b, c, a, b]);
    expect(() => resolveRef(advertisement, "aaaa")).toThrow(/no branch or tag "aaaa".*main, v1/);
  });
});

describe.skipIf(!hasHttpBackend)("a server that does not go on", () => {
  it("is left at the time limit, before it answers and while it does", async () => {
    const server = await GitServer.start();
    try {
      const made = server.repository("made");
      writeFileSync(join(made.folder, "a.txt"), "a\n");
      const commit = made.commit("first");
      const open = (ms: number) =>
        new GitRemote({
          outbound: (request) => fetch(request),
          url: server.url("made"),
          authorization: null,
          signal: AbortSignal.timeout(ms),
          refused: async ({ status }) => Promise.reject(new Error(String(status))),
        });
      server.intercept = () => true;
      await expect(open(50).advertisement()).rejects.toMatchObject({ name: "TimeoutError" });
      server.intercept = (request, response) => {
        if (request.method !== "POST") return false;
        response.writeHead(200).write("0008NAK\n");
        return true;
      };
      const remote = open(2_000);
      expect(resolveRef(await remote.advertisement(), null)).toBe(commit);
      await expect(async () => {
        for await (const piece of remote.pack(commit)) void piece;
      }).rejects.toMatchObject({ name: "TimeoutError" });
    } finally {
      await server.stop();
    }
  });
});
