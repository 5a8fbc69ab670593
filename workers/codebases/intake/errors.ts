/** The one error that intake throws for what a user sent. */

/** Every way in which an archive, a manifest, a tree or a repository is refused. */
export type IntakeErrorCode =
  | "archive_empty"
  | "archive_encrypted"
  | "archive_malformed"
  | "archive_ratio"
  | "archive_too_large"
  | "archive_truncated"
  | "archive_unsupported"
  | "entry_unsupported"
  | "format_unknown"
  | "hard_link_unresolved"
  | "manifest_invalid"
  | "path_conflict"
  | "path_duplicate"
  | "path_too_long"
  | "path_unsafe"
  | "ref_unknown"
  | "secret_unknown"
  | "source_empty"
  | "source_refused"
  | "source_too_large"
  | "source_unsupported"
  | "top_folder_ambiguous"
  | "too_many_entries"
  | "tree_invalid"
  | "tree_missing"
  | "unpacked_too_large";

/** What was sent cannot be taken in; `message` says why and what to do about it. */
export class IntakeError extends Error {
  readonly code: IntakeErrorCode;
  /** The entry that is at fault, as the archive names it. */
  readonly path: string | undefined;

  constructor(
    code: IntakeErrorCode,
    message: string,
    options: { readonly path?: string | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "IntakeError";
    this.code = code;
    this.path = options.path;
  }
}

/** An archive whose bytes contradict its format. */
export function malformed(what: string, path?: string, cause?: unknown): IntakeError {
  return new IntakeError(
    "archive_malformed",
    `The archive is damaged: ${what}. Make it again and send it again.`,
    { path, cause },
  );
}

/** An archive that ends before it is complete. */
export function truncated(path?: string): IntakeError {
  return new IntakeError(
    "archive_truncated",
    "The archive ends before it is complete. Check that the upload was not cut off and send it again.",
    { path },
  );
}
