/** Parts of JSON by their paths: `a.b[0]["odd.name"]`. Pure. */

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

const SEGMENT = /(?:^|\.)([^.[\]"]+)|\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]/y;

/** Throws for what is no path. */
export function readPath(path: string): (string | number)[] {
  const segments: (string | number)[] = [];
  SEGMENT.lastIndex = 0;
  while (SEGMENT.lastIndex < path.length) {
    const at = SEGMENT.lastIndex;
    const match = SEGMENT.exec(path);
    if (match === null) {
      throw new Error(
        `"${path}" is no path: it goes wrong at character ${at + 1}. Write such as a.b[0]["odd.name"].`,
      );
    }
    const [, name, index, quoted] = match;
    if (index !== undefined) segments.push(Number(index));
    else segments.push(name ?? String(JSON.parse(`"${quoted}"`)));
  }
  return segments;
}

/** Undefined where the path leads nowhere. */
export function partOf(value: Json, segments: readonly (string | number)[]): Json | undefined {
  let part: Json | undefined = value;
  for (const segment of segments) {
    if (typeof part !== "object" || part === null) return undefined;
    if (Array.isArray(part)) part = part[Number(segment)];
    else part = Object.hasOwn(part, segment) ? part[segment] : undefined;
  }
  return part;
}
