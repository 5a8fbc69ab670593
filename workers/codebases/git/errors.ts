/** Why a repository is not imported. */
import { IntakeError } from "../intake/errors.ts";

/** Of what a server sends; read in memory, beside what is inflated of it. */
export const MAX_PACK_BYTES = 25_000_000;
/** An object is in memory as a whole, and a delta's base beside it. */
export const MAX_OBJECT_BYTES = 32 * 1024 * 1024;

const ANOTHER_WAY =
  "Import the address of an archive (.tar.gz) of it, which is read in pieces, or push a manifest and the files that are missing.";

/** More than is taken here; git elsewhere may still unpack it. */
export class PackTooLarge extends IntakeError {
  constructor() {
    super(
      "source_too_large",
      `The repository is more than ${MAX_PACK_BYTES} bytes as git sends it. Connect a companion runner that has git and allows processes (--allow-subprocess), which fetches it then. Or: ${ANOTHER_WAY}`,
    );
  }
}

/** What the server itself says of a request; it may be of any length. */
export function serverError(text: string): IntakeError {
  const said = text.trim().slice(0, 300);
  return new IntakeError(
    "source_refused",
    `The git server refuses: ${said}. Check the address and the ref; a commit that no branch or tag points to is given out by few servers.`,
  );
}

export function noRepository(): IntakeError {
  return new IntakeError(
    "source_unsupported",
    "The address does not answer as a git repository does over smart HTTP. Give the one that `git clone` takes, or that of an archive (.tar.gz, .tgz, .tar, .zip).",
  );
}

export function damaged(what: string): IntakeError {
  return new IntakeError(
    "archive_malformed",
    `What the git server sent is damaged: ${what}. Import it again; if it stays so, check the repository with \`git fsck\`.`,
  );
}

export function objectTooLarge(): IntakeError {
  return new IntakeError(
    "source_too_large",
    `The repository has a file of more than ${MAX_OBJECT_BYTES} bytes. ${ANOTHER_WAY}`,
  );
}

export function tooManyRefs(maxBytes: number): IntakeError {
  return new IntakeError(
    "source_too_large",
    `The repository lists its branches and tags in more than ${maxBytes} bytes. ${ANOTHER_WAY}`,
  );
}
