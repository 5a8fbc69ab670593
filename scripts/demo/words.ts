/** How the demo puts figures. */

/** Milliseconds as people read them. */
export function inTime(ms: number): string {
  return ms < 1_000 ? `${ms.toFixed(0)} ms` : `${(ms / 1_000).toFixed(2)} s`;
}

export const inFigures = (value: number) => value.toLocaleString("en");

/** The first line of a text, which may have many. */
export const firstLine = (text: string) => text.trimStart().split("\n", 1)[0] ?? "";
