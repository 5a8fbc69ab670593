/** Which of a resource's media types a caller asks for. */

/**
 * Returns the offered type that `Accept` ranks highest; the first offered one when nothing is asked
 * for, or nothing that is offered.
 */
export function preferredType<const Offered extends string>(
  accept: string | undefined,
  offered: readonly [Offered, ...Offered[]],
): Offered {
  let best: Offered = offered[0];
  let bestQuality = 0;
  const ranges = (accept ?? "").split(",").map(parseRange);
  for (const type of offered) {
    const quality = qualityOf(type, ranges);
    if (quality > bestQuality) {
      best = type;
      bestQuality = quality;
    }
  }
  return best;
}

interface MediaRange {
  readonly type: string;
  readonly quality: number;
}

function parseRange(text: string): MediaRange {
  const [type = "", ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const q = parameters.find((parameter) => parameter.startsWith("q="))?.slice(2);
  const quality = q === undefined ? 1 : Number(q);
  return { type, quality: Number.isFinite(quality) ? quality : 0 };
}

/** The most specific range decides, as RFC 9110 says. */
function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  const essence = type.split(";")[0] ?? type;
  for (const wanted of [essence, `${essence.split("/")[0]}/*`, "*/*"]) {
    const range = ranges.find((candidate) => candidate.type === wanted);
    if (range !== undefined) return range.quality;
  }
  return 0;
}
