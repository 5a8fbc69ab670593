/** The work that an index has others do, as messages of its queue: ids alone, never contents. */
import { z } from "zod";

export const jobSchema = z.discriminatedUnion("kind", [
  /** Reads the archive of a snapshot. */
  z.object({ kind: z.literal("ingest"), codebase_id: z.string(), snapshot: z.int() }),
  /** Tells the index which grammars its project has now. */
  z.object({ kind: z.literal("languages"), codebase_id: z.string() }),
  /** Parses blobs with one grammar. */
  z.object({
    kind: z.literal("parse"),
    codebase_id: z.string(),
    grammar: z.string(),
    blobs: z.array(z.int()),
  }),
]);
export type IndexJob = z.output<typeof jobSchema>;

/** Text that one message has parsed, in bytes. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_BLOBS = 500;

/** Groups blobs of one grammar each, of about a megabyte. */
export function parseJobs(
  codebaseId: string,
  waiting: readonly { readonly blob: number; readonly language: string; readonly size: number }[],
): Extract<IndexJob, { kind: "parse" }>[] {
  const jobs: Extract<IndexJob, { kind: "parse" }>[] = [];
  for (const [grammar, members] of Map.groupBy(waiting, ({ language }) => language)) {
    let blobs: number[] = [];
    let bytes = 0;
    const close = () => {
      if (blobs.length > 0) jobs.push({ kind: "parse", codebase_id: codebaseId, grammar, blobs });
      blobs = [];
      bytes = 0;
    };
    for (const { blob, size } of members) {
      if (blobs.length > 0 && (bytes + size > BATCH_BYTES || blobs.length >= BATCH_BLOBS)) close();
      blobs.push(blob);
      bytes += size;
    }
    close();
  }
  return jobs;
}
