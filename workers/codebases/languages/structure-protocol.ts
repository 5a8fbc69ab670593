/** What a child that searches by structure is asked and answers; offsets count UTF-16 units. */
import { z } from "zod";

const offset = z.int().nonnegative();

/** The body of a request: one pattern, and texts of one language. */
export interface StructureRequest {
  readonly pattern: string;
  readonly texts: readonly string[];
  /** Places of one text at most. */
  readonly max_places: number;
}

const placesSchema = z.array(z.tuple([offset, offset]));
export type Places = readonly (readonly [start: number, end: number])[];

/** One line of the answer. */
export const structureLineSchema = z.union([
  /** Null for a text that takes too long. */
  z.object({ index: z.int(), places: placesSchema.nullable() }),
  /** It is not a pattern of the language; `at` is where in it, if that is known. */
  z.object({ pattern_problem: z.string(), at: offset.nullable() }),
  z.object({ done: z.literal(true) }),
  z.object({ refused: z.string() }),
]);
export type StructureLine = z.output<typeof structureLineSchema>;

/** What such a child is made of, besides wasm: handed to it as a module of text. */
export interface StructureParts {
  readonly language: string;
  /** What stands for `$` in a pattern, which has to parse as code. */
  readonly expando: string;
  /** Code around a pattern, which stands at its `@`, where code by itself means something else. */
  readonly context: string | null;
}
