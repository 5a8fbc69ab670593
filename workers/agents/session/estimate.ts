/** How large a step will be, before it is known: cautious where money depends on it. */
import type { ModelRequest, ModelUsage } from "../models/port.ts";
import type { Calibration } from "./documents.ts";

/** What providers add around messages and tools. */
const OVERHEAD_TOKENS = 1_024;
/** What may be added around messages that follow those of a step whose size is known. */
const MARGIN_TOKENS = 64;
const BYTES_PER_TOKEN = 4;

export interface Estimate {
  /** As it probably is. */
  readonly likely: number;
  /** As it can be at most: no token is less than a byte. */
  readonly most: number;
}

export function requestBytes({ instructions, messages, tools }: ModelRequest): number {
  return Buffer.byteLength(JSON.stringify([instructions, messages, tools]));
}

/** Tokens of the input of a step. */
export function estimateInput(
  model: string,
  bytes: number,
  calibration: Calibration | null,
): Estimate {
  if (calibration?.model !== model || bytes < calibration.bytes) {
    return { likely: Math.ceil(bytes / BYTES_PER_TOKEN), most: bytes + OVERHEAD_TOKENS };
  }
  const added = bytes - calibration.bytes;
  const { input_tokens } = calibration;
  return {
    likely: input_tokens + Math.ceil(added / BYTES_PER_TOKEN),
    most: input_tokens + added + MARGIN_TOKENS,
  };
}

/** What a step uses that reads and writes the most it can, whatever is cached. */
export function largestUsages(input: number, output: number): readonly ModelUsage[] {
  return [0, input].map((cache_write_tokens) => ({
    input_tokens: input,
    cached_input_tokens: 0,
    cache_write_tokens,
    output_tokens: output,
    reasoning_tokens: 0,
  }));
}
