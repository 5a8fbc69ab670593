/** How much memory a process holds, where /proc says so (Linux). */
import { readFile, writeFile } from "node:fs/promises";

const BYTES_OF_A_KIB = 1024;

async function statusField(pid: number, field: string): Promise<number | null> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kibibytes = new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1];
  return kibibytes === undefined ? null : Number(kibibytes) * BYTES_OF_A_KIB;
}

export interface MemoryUse {
  /** Resident before the work. */
  readonly before_bytes: number;
  /** The most that was resident since. */
  readonly peak_bytes: number;
}

/** Begins to watch; the function that it returns tells the peak since. Null where nobody knows. */
export async function watchMemory(pid: number): Promise<() => Promise<MemoryUse | null>> {
  // 5 sets the high-water mark back to what is resident now. Without the right to write there, the
  // peak is the highest since the process began, which a process of its own for each workload bounds.
  await writeFile(`/proc/${pid}/clear_refs`, "5").catch(() => undefined);
  const before_bytes = await statusField(pid, "VmRSS");
  return async () => {
    const peak_bytes = await statusField(pid, "VmHWM");
    return before_bytes === null || peak_bytes === null ? null : { before_bytes, peak_bytes };
  };
}
