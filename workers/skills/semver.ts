/** Versions as people call them: Semantic Versioning 2.0. */

const MAX_VERSION_CHARS = 64;
const NUMBER = "(?:0|[1-9]\\d{0,8})";
const WORD = "(?:0|[1-9]\\d*|\\d*[A-Za-z-][0-9A-Za-z-]*)";
const SEMVER = new RegExp(
  `^(?<release>(?<series>${NUMBER}\\.${NUMBER})\\.(?<patch>${NUMBER}))(?<pre>-${WORD}(?:\\.${WORD})*)?(?:\\+[0-9A-Za-z-]+(?:\\.[0-9A-Za-z-]+)*)?$`,
);

export const FIRST_VERSION = "1.0.0";

export function isSemver(text: string): boolean {
  return text.length <= MAX_VERSION_CHARS && SEMVER.test(text);
}

/** The next one by the last number; after a pre-release the release itself. */
export function nextPatch(version: string): string {
  const { release = "", series = "", patch = "", pre } = SEMVER.exec(version)?.groups ?? {};
  return pre === undefined ? `${series}.${Number(patch) + 1}` : release;
}
