/** Paths inside the workspace of a task. */

/** Whether `path` names something below the workspace root: relative, normalised, no `..`. */
export function isWorkspacePath(path: string): boolean {
  return (
    path !== "" &&
    !path.includes("\0") &&
    !path.includes("\\") &&
    path.split("/").every((part) => part !== "" && part !== "." && part !== "..")
  );
}
