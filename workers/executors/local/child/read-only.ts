/**
 * What a change throws to what is read-only, the codebase that a task mounts: in a script the
 * command fails that asked for it, with the message after its name; in JavaScript `code` tells it.
 * No class of its own, whose name, shortened in the bundle, would be shown to users.
 */
export function readOnlyError(
  message = "Read-only file system",
): Error & { readonly code: "EROFS" } {
  return Object.assign(new Error(message), { code: "EROFS" as const });
}
