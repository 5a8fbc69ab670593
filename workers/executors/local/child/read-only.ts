/**
 * A change to what is read-only, the codebase that a task mounts: in a script the command fails
 * that asked for it, with `message` after its name; in JavaScript `code` is what tells it.
 */
export class ReadOnlyError extends Error {
  readonly code = "EROFS";

  constructor(message = "Read-only file system") {
    super(message);
    this.name = "ReadOnlyError";
  }
}
