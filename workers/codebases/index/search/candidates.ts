/** Evaluates what a plan says of candidates over the files of a listing. */
import type { Candidates, ExactIndex } from "../../query/candidates.ts";
import type { DiffLeaf, FactLeaf } from "../../query/query.ts";
import type { BlobStore } from "../storage/blobs.ts";
import { type Listing, queryTraits } from "../storage/listing.ts";
import type { SymbolStore } from "../storage/symbols.ts";

/** 1 for each file that may match, by its place in the listing. */
export type Mask = Uint8Array;

/** The files that a fact holds of. */
export type FactsOf = (leaf: FactLeaf | DiffLeaf) => Mask;

export interface CandidateDeps {
  readonly listing: Listing;
  readonly blobs: BlobStore;
  readonly symbols: SymbolStore;
  readonly codebase: string;
  readonly facts: FactsOf;
}

export function evaluate(candidates: Candidates, deps: CandidateDeps): Mask {
  const { listing } = deps;
  const size = listing.files.length;
  switch (candidates.kind) {
    case "all":
      return new Uint8Array(size).fill(1);
    case "none":
      return new Uint8Array(size);
    case "and": {
      const [first, ...rest] = candidates.operands.map((operand) => evaluate(operand, deps));
      const mask = first ?? new Uint8Array(size).fill(1);
      for (const other of rest)
        for (let at = 0; at < size; at += 1) mask[at] = (mask[at] ?? 0) & (other[at] ?? 0);
      return mask;
    }
    case "or": {
      const mask = new Uint8Array(size);
      for (const operand of candidates.operands) {
        const other = evaluate(operand, deps);
        for (let at = 0; at < size; at += 1) mask[at] = (mask[at] ?? 0) | (other[at] ?? 0);
      }
      return mask;
    }
    case "match":
      return candidates.index === "content"
        ? blobMask(deps.blobs.matching(candidates, listing.chunked), listing)
        : blobMask(deps.symbols.matching(candidates.expression), listing);
    case "path_text":
      return maskOf(listing, ({ path }) => candidates.check.path.test(path));
    case "exact": {
      const mask = exactMask(candidates.source, deps);
      if (candidates.negated)
        for (let at = 0; at < size; at += 1) mask[at] = mask[at] === 1 ? 0 : 1;
      return mask;
    }
  }
}

function exactMask(source: ExactIndex, { listing, codebase, facts }: CandidateDeps): Mask {
  switch (source.index) {
    case "language":
      return maskOf(listing, ({ language }) => language === source.language);
    case "trait":
      return maskOf(listing, (file) => queryTraits(file).has(source.trait));
    case "path": {
      const { check } = source;
      const slash = check.kind === "file" && check.withSlash ? "/" : "";
      return maskOf(listing, ({ path }) => check.matcher.test(`${slash}${path}`));
    }
    case "repository": {
      const isMeant = source.check.matcher.test(codebase);
      return new Uint8Array(listing.files.length).fill(isMeant ? 1 : 0);
    }
    case "fact":
      return Uint8Array.from(facts(source.leaf));
  }
}

export function maskOf(listing: Listing, holds: (file: Listing["files"][number]) => boolean): Mask {
  const mask = new Uint8Array(listing.files.length);
  listing.files.forEach((file, index) => {
    if (holds(file)) mask[index] = 1;
  });
  return mask;
}

export function blobMask(blobs: Iterable<number>, listing: Listing): Mask {
  const mask = new Uint8Array(listing.files.length);
  for (const blob of blobs) for (const index of listing.withBlob(blob)) mask[index] = 1;
  return mask;
}
