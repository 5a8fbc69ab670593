/** PageRank over a weighted graph, personalized: the rank flows back to where the interest is. */

export interface Edge {
  readonly from: number;
  readonly to: number;
  /** Above 0. */
  readonly weight: number;
}

export interface PageRankOptions {
  readonly damping?: number;
  /** Sum of changes below which the ranks have settled. */
  readonly tolerance?: number;
  readonly maxIterations?: number;
  /** Interest in each node; equal for all by default. */
  readonly personalization?: ArrayLike<number>;
}

export interface PageRank {
  /** Sums to 1. */
  readonly ranks: Float64Array;
  readonly iterations: number;
}

function normalized(values: ArrayLike<number> | undefined, size: number): Float64Array {
  const shares = new Float64Array(size);
  let sum = 0;
  for (let node = 0; node < size; node += 1) {
    const value = values === undefined ? 1 : Math.max(0, values[node] ?? 0);
    shares[node] = value;
    sum += value;
  }
  for (let node = 0; node < size; node += 1) {
    shares[node] = sum === 0 ? 1 / size : (shares[node] ?? 0) / sum;
  }
  return shares;
}

/** Ranks `size` nodes. The same input gives the same ranks, to the last bit. */
export function pageRank(
  size: number,
  edges: readonly Edge[],
  options: PageRankOptions = {},
): PageRank {
  const { damping = 0.85, tolerance = 1e-6, maxIterations = 100 } = options;
  if (size === 0) return { ranks: new Float64Array(0), iterations: 0 };
  const sources = new Int32Array(edges.length);
  const targets = new Int32Array(edges.length);
  const shares = new Float64Array(edges.length);
  const outgoing = new Float64Array(size);
  for (const { from, weight } of edges) outgoing[from] = (outgoing[from] ?? 0) + weight;
  for (const [index, { from, to, weight }] of edges.entries()) {
    sources[index] = from;
    targets[index] = to;
    shares[index] = weight / (outgoing[from] ?? 1);
  }
  const interest = normalized(options.personalization, size);
  let ranks = Float64Array.from(interest);
  let next = new Float64Array(size);
  let iterations = 0;
  for (let change = Number.POSITIVE_INFINITY; change > tolerance && iterations < maxIterations; ) {
    iterations += 1;
    let dangling = 0;
    for (let node = 0; node < size; node += 1) {
      if (outgoing[node] === 0) dangling += ranks[node] ?? 0;
    }
    next.fill(0);
    for (let index = 0; index < edges.length; index += 1) {
      const to = targets[index] ?? 0;
      next[to] = (next[to] ?? 0) + (ranks[sources[index] ?? 0] ?? 0) * (shares[index] ?? 0);
    }
    change = 0;
    for (let node = 0; node < size; node += 1) {
      const share = interest[node] ?? 0;
      const rank = damping * ((next[node] ?? 0) + dangling * share) + (1 - damping) * share;
      change += Math.abs(rank - (ranks[node] ?? 0));
      next[node] = rank;
    }
    [ranks, next] = [next, ranks];
  }
  return { ranks, iterations };
}
