/** Pages go on in the snapshot that they began in, whatever is pushed or deleted meanwhile. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { isolate } from "../test/app.ts";
import { type Files, TestCodebase } from "./test-support.ts";

const { call } = isolate();

const pageSchema = z.object({
  items: z.array(z.unknown()),
  next_cursor: z.string().nullable(),
  snapshot: z.int().optional(),
  receipt: z.object({ snapshot: z.int() }).optional(),
});

const OLD: Files = Object.fromEntries(
  Array.from({ length: 4 }, (_, at) => [
    `src/file${at}.ts`,
    `import { needle } from "./file${(at + 1) % 4}.ts";\nexport function f${at}() {\n  return needle();\n}\n`,
  ]),
);
const NEW: Files = { "src/aaa.ts": "export function needle() {}\n", "src/file2.ts": "needle();\n" };

const LISTS = [
  "/files?limit=2",
  "/search?q=needle&limit=2",
  "/symbols?limit=2",
  "/references?symbol=needle&limit=2",
  "/imports?limit=2",
  "/diff?limit=2",
];

async function page(codebase: TestCodebase, path: string) {
  const reply = await codebase.get(path);
  expect(reply.status, `${path}: ${reply.text}`).toBe(200);
  const body = pageSchema.parse(reply.body);
  return { ...body, snapshot: body.snapshot ?? body.receipt?.snapshot };
}

/** The second page, of whichever snapshot it is. */
const further = (path: string, cursor: string | null) => `${path}&cursor=${cursor}`;

async function pushed(): Promise<{ codebase: TestCodebase; number: number }> {
  const codebase = await TestCodebase.create(call);
  const { number } = await codebase.push(OLD, { ref: "main" });
  await codebase.settled(number);
  return { codebase, number };
}

describe("a cursor", () => {
  it("goes on in its snapshot after a push", async () => {
    const { codebase, number } = await pushed();
    const firsts = await Promise.all(LISTS.map((path) => page(codebase, path)));
    const expected = await Promise.all(
      LISTS.map((path, at) => page(codebase, further(path, firsts[at]?.next_cursor ?? null))),
    );
    expect(expected.map(({ items }) => items.length > 0)).not.toContain(false);
    const newer = await codebase.push(NEW, { ref: "main" });
    await codebase.settled(newer.number);
    for (const [at, path] of LISTS.entries()) {
      const next = await page(codebase, further(path, firsts[at]?.next_cursor ?? null));
      expect(next.snapshot, path).toBe(number);
      expect(next.items, path).toEqual(expected[at]?.items);
      expect((await page(codebase, path)).snapshot, path).toBe(newer.number);
    }
  });

  it("is refused beside the name of another snapshot, and taken beside that of its own", async () => {
    const { codebase, number } = await pushed();
    const firsts = await Promise.all(LISTS.map((path) => page(codebase, path)));
    const newer = await codebase.push(NEW);
    for (const [at, path] of LISTS.entries()) {
      const name = path.startsWith("/diff") ? "head" : "snapshot";
      const next = further(path, firsts[at]?.next_cursor ?? null);
      expect((await page(codebase, `${next}&${name}=main`)).snapshot, path).toBe(number);
      const refused = await codebase.get(`${next}&${name}=${newer.number}`);
      expect(refused.status, path).toBe(422);
      expect(refused.text, path).toContain(`It is a cursor of snapshot ${number}, and snapshot`);
    }
    const first = await page(codebase, "/search?q=needle%20rev:main&limit=2");
    await codebase.push({ ...NEW, "b.ts": "needle();\n" }, { ref: "main" });
    const moved = await codebase.get(
      further("/search?q=needle%20rev:main&limit=2", first.next_cursor),
    );
    expect(moved.status).toBe(422);
    expect(moved.text).toContain(`It is a cursor of snapshot ${number}, and snapshot`);
  });

  it("is refused once its snapshot is deleted", async () => {
    const { codebase, number } = await pushed();
    const firsts = await Promise.all(LISTS.map((path) => page(codebase, path)));
    await codebase.push(NEW);
    const removed = await call(`${codebase.path}/snapshots/${number}`, { method: "DELETE" });
    expect(removed.status).toBe(204);
    for (const [at, path] of LISTS.entries()) {
      const refused = await codebase.get(further(path, firsts[at]?.next_cursor ?? null));
      expect(refused.status, path).toBe(422);
      expect(refused.text, path).toContain(`snapshot ${number}, which was deleted`);
    }
  });
});
