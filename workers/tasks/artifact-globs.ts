/** Whether a glob of artifacts can match anything that a task may leave behind. */
import picomatch from "picomatch";

const EVERYTHING = '"**" is every file';

/** What is wrong with a glob, and what to write instead; null when it can match. */
export function globProblem(glob: string): string | null {
  if (glob.includes("\0")) return "A path holds no NUL.";
  if (glob.startsWith("/")) {
    return `It is absolute, and artifacts lie below the working directory: leave out the leading slash (${EVERYTHING}).`;
  }
  if (/^!(?!\()/.test(glob)) {
    return `A glob says what to keep, and "!" would keep everything else: name what to keep (${EVERYTHING}).`;
  }
  const parts = glob
    .replace(/^(?:\.\/)+/, "")
    .replace(/\/+$/, "")
    .split("/");
  if (parts.includes("..")) {
    return 'It leads out of the working directory, where nothing is kept from: leave out the ".." parts.';
  }
  if (parts.includes("") || (parts.length > 1 && parts.includes("."))) {
    return `No file's path has an empty or a "." part: leave it out (${EVERYTHING}).`;
  }
  return unclosed(glob);
}

function unclosed(glob: string): string | null {
  try {
    picomatch.makeRe(glob, { dot: true, posix: true, strictBrackets: true });
    return null;
  } catch (error) {
    const missing = error instanceof Error ? /^Missing closing: "(.)"/.exec(error.message) : null;
    return missing === null
      ? null
      : `A bracket is not closed: add "${missing[1]}", or put a backslash before the one that opens, to mean the character.`;
  }
}
