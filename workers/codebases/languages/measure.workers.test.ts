import { env } from "cloudflare:workers";
import { expect, it } from "vitest";
import { measureParsing } from "./measure.ts";

it("measures a start and a batch", async () => {
  const files = Array.from({ length: 20 }, (_, index) => ({
    oid: `${index}`,
    path: `file${index}.ts`,
    text: "export function add(a: number, b: number) { return plus(a, b); }\n".repeat(50),
  }));
  const figures = await measureParsing(env.LOADER, "typescript", files, 99);
  expect(figures).toMatchObject({ files: 20, symbols: 1_000, references: 1_000, failed: 0 });
  expect(figures.bytes).toBe(20 * 50 * 65);
  expect(figures.cold_ms).toBeGreaterThan(figures.warm_ms);
  expect(figures.mb_per_second).toBeGreaterThan(0);
});
