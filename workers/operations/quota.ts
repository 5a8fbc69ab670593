/**
 * Request quotas by fixed windows, pure. Isolates take tokens in blocks, so that the total admitted
 * in a window never exceeds its limit, whatever the number of isolates.
 */

export interface Window {
  readonly taken: number;
  /** ms since 1970 at which the window ends and its count with it. */
  readonly reset_at: number;
}

export interface Grant {
  readonly granted: number;
  /** Tokens of the window that nobody holds yet. */
  readonly remaining: number;
  readonly reset_at: number;
}

export interface QuotaRequest {
  readonly want: number;
  readonly limit: number;
  readonly window_ms: number;
  readonly now: number;
}

/** A block is at most this share of what is left, so that few tokens lie unused when it runs out. */
const LARGEST_SHARE = 4;

/** Takes up to `want` tokens, and at least one while any is left. */
export function takeFromWindow(
  previous: Window | null,
  request: QuotaRequest,
): { readonly window: Window; readonly grant: Grant } {
  const { want, limit, window_ms, now } = request;
  const current =
    previous !== null && previous.reset_at > now
      ? previous
      : { taken: 0, reset_at: (Math.floor(now / window_ms) + 1) * window_ms };
  const left = limit - current.taken;
  const share = Math.max(1, Math.floor(left / LARGEST_SHARE));
  const granted = Math.min(Math.max(1, want), share, left);
  return {
    window: { taken: current.taken + granted, reset_at: current.reset_at },
    grant: { granted, remaining: left - granted, reset_at: current.reset_at },
  };
}
