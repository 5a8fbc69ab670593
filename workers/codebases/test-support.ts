/** A codebase as tests have one: pushed and read over HTTP. */
import { gzipSync } from "node:zlib";
import { expect } from "vitest";
import type { z } from "zod";
import type { Call, Reply } from "../test/app.ts";
import { blobOid } from "./intake/git-objects.ts";
import { tarOf, zipOf } from "./intake/test-support-archives.ts";
import { searchSchema } from "./reading-schemas.ts";
import { codebaseSchema, pushedSchema, snapshotSchema } from "./schemas.ts";

/** Contents by path. */
export type Files = Readonly<Record<string, string | Uint8Array>>;

/** A small codebase of each kind of file. */
export const FILES = {
  "src/parse.ts": "export function parseQuery(text: string) {\n  return text.split(' ');\n}\n",
  "src/main.ts": "import { parseQuery } from './parse.ts';\nconsole.log(parseQuery('a b'));\n",
  "src/main.test.ts": "import { parseQuery } from './parse.ts';\nparseQuery('');\n",
  "docs/guide.md": "# Guide\n\nCall parseQuery with a text.\n",
  "logo.png": Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 1, 2, 3]),
  "empty.txt": "",
};

const bytesOf = (content: string | Uint8Array) => Buffer.from(content);

export function manifestOf(files: Files): [string, string, number][] {
  return Object.entries(files).map(([path, content]) => {
    const bytes = bytesOf(content);
    return [path, blobOid(bytes), bytes.byteLength];
  });
}

export function tarballOf(files: Files): Buffer {
  return gzipSync(tarOf(Object.entries(files).map(([name, content]) => ({ name, content }))));
}

export function zipballOf(files: Files): Buffer {
  return zipOf(
    Object.entries(files).map(([name, content]) => ({ name, content: bytesOf(content) })),
  );
}

export class TestCodebase {
  readonly id: string;
  readonly path: string;
  readonly #call: Call;

  private constructor(call: Call, id: string) {
    this.#call = call;
    this.id = id;
    this.path = `/api/v1/codebases/${id}`;
  }

  static async create(call: Call, body: Record<string, unknown> = {}): Promise<TestCodebase> {
    const reply = await call("/api/v1/codebases", {
      body: { name: `c-${crypto.randomUUID()}`, ...body },
    });
    expect(reply.status, reply.text).toBe(201);
    return new TestCodebase(call, codebaseSchema.parse(reply.body).id);
  }

  get(path: string): Promise<Reply> {
    return this.#call(`${this.path}${path}`);
  }

  post(path: string, body: unknown): Promise<Reply> {
    const headers =
      body instanceof Uint8Array ? { "content-type": "application/octet-stream" } : {};
    return this.#call(`${this.path}${path}`, { body, headers });
  }

  /** A ready snapshot of these files. */
  async push(files: Files, names: { readonly ref?: string; readonly commit?: string } = {}) {
    const begun = await this.post("/manifest", { files: manifestOf(files), ...names });
    expect(begun.status, begun.text).toBe(201);
    const { snapshot, missing } = pushedSchema.parse(begun.body);
    if (missing.length === 0) return snapshot;
    const wanted = new Set(missing.map(({ path }) => path));
    const contents = Object.fromEntries(Object.entries(files).filter(([path]) => wanted.has(path)));
    const reply = await this.post(`/snapshots/${snapshot.number}/blobs`, tarballOf(contents));
    expect(reply.status, reply.text).toBe(200);
    const pushed = pushedSchema.parse(reply.body);
    expect(pushed).toMatchObject({ missing: [], snapshot: { state: "ready" } });
    return pushed.snapshot;
  }

  async snapshot(name: string | number) {
    const reply = await this.get(`/snapshots/${name}`);
    expect(reply.status, reply.text).toBe(200);
    return snapshotSchema.parse(reply.body);
  }

  /** Once nothing more happens to it: it has failed, or is ready and all its symbols are known. */
  async settled(number: number) {
    await expect
      .poll(async () => {
        const { state, symbols } = await this.snapshot(number);
        return state === "failed" || (state === "ready" && symbols.parsed === symbols.of);
      })
      .toBe(true);
    return this.snapshot(number);
  }

  async search(q: string, parameters: Readonly<Record<string, string>> = {}) {
    const reply = await this.get(`/search?${new URLSearchParams({ q, ...parameters })}`);
    expect(reply.status, reply.text).toBe(200);
    return searchSchema.parse(reply.body);
  }

  /** Paths of all results, page by page. */
  async searchAll(q: string, parameters: Readonly<Record<string, string>> = {}) {
    const items: z.output<typeof searchSchema>["items"] = [];
    let cursor: string | null = null;
    for (;;) {
      const page: z.output<typeof searchSchema> = await this.search(q, {
        ...parameters,
        ...(cursor !== null && { cursor }),
      });
      items.push(...page.items);
      cursor = page.next_cursor;
      if (cursor === null) return { items, receipt: page.receipt };
    }
  }
}

/** Paths of a page of files. */
export async function listed(codebase: TestCodebase, query = "") {
  const reply = await codebase.get(`/files${query}`);
  expect(reply.status, reply.text).toBe(200);
  return (reply.body.items as { path: string }[]).map(({ path }) => path);
}
