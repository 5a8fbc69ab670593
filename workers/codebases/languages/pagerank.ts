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
  const columns: EdgeColumns = {
    from: Int32Array.from(edges, ({ from }) => from),
    to: Int32Array.from(edges, ({ to }) => to),
    weight: Float64Array.from(edges, ({ weight }) => weight),
  };
  return pageRankOf(size, columns, options);
}

/** Edges as columns of the same length. */
export interface EdgeColumns {
  readonly from: Int32Array;
  readonly to: Int32Array;
  /** Above 0. */
  readonly weight: Float64Array;
}

/** The sum of the weights that leave each node. */
export function outgoingWeights(size: number, { from, weight }: EdgeColumns): Float64Array {
  const outgoing = new Float64Array(size);
  for (let edge = 0; edge < from.length; edge += 1) {
    const node = from[edge] ?? 0;
    outgoing[node] = (outgoing[node] ?? 0) + (weight[edge] ?? 0);
  }
  return outgoing;
}

export function pageRankOf(
  size: number,
  edges: EdgeColumns,
  options: PageRankOptions = {},
): PageRank {
  const { damping = 0.85, tolerance = 1e-6, maxIterations = 100 } = options;
  if (size === 0) return { ranks: new Float64Array(0), iterations: 0 };
  const { from: sources, to: targets, weight } = edges;
  const outgoing = outgoingWeights(size, edges);
  const shares = weight.map((value, edge) => value / (outgoing[sources[edge] ?? 0] ?? 1));
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
    for (let edge = 0; edge < shares.length; edge += 1) {
      const to = targets[edge] ?? 0;
      next[to] = (next[to] ?? 0) + (ranks[sources[edge] ?? 0] ?? 0) * (shares[edge] ?? 0);
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
