/** What a git server says it has, before anything is fetched. */
import type { ByteSource } from "../intake/byte-reader.ts";
import { IntakeError } from "../intake/errors.ts";
import { isOid } from "../intake/git-objects.ts";
import { noRepository } from "./errors.ts";
import { pktLines } from "./pkt-line.ts";

export interface Advertisement {
  /** OIDs by name, such as `HEAD` and `refs/heads/main`; a tag's commit stands at `refs/tags/v1^{}`. */
  readonly refs: ReadonlyMap<string, string>;
  readonly capabilities: ReadonlySet<string>;
}

const PEELED = "^{}";
const NAMED_IN_ERROR = 10;

/** Reads the answer to `GET info/refs?service=git-upload-pack`; throws IntakeError for any other. */
export async function readAdvertisement(source: ByteSource): Promise<Advertisement> {
  const refs = new Map<string, string>();
  let capabilities: ReadonlySet<string> | null = null;
  let isService = false;
  for await (const bytes of pktLines(source)) {
    const line = bytes?.toString().replace(/\n$/, "");
    if (line === undefined || line === "version 1") continue;
    if (line === "# service=git-upload-pack") {
      isService = true;
      continue;
    }
    const [reference = "", offered] = line.split("\0");
    capabilities ??= new Set((offered ?? "").split(" "));
    const [oid = "", name = ""] = reference.split(" ");
    // A repository without refs has a line for its capabilities alone.
    if (isOid(oid) && name !== `capabilities${PEELED}`) refs.set(name, oid);
  }
  if (!isService) throw noRepository();
  return { refs, capabilities: capabilities ?? new Set() };
}

/**
 * The commit that a name means: a branch, else a tag, else a full ref or a whole commit; null is the
 * default branch. Throws `source_empty` and `ref_unknown`.
 */
export function resolveRef({ refs }: Advertisement, name: string | null): string {
  if (refs.size === 0) {
    throw new IntakeError(
      "source_empty",
      "The repository has no commits. Push to it first, then import it again.",
    );
  }
  const candidates =
    name === null ? ["HEAD"] : [`refs/heads/${name}`, `refs/tags/${name}`, name, `refs/${name}`];
  for (const candidate of candidates) {
    const oid = refs.get(`${candidate}${PEELED}`) ?? refs.get(candidate);
    if (oid !== undefined) return oid;
  }
  if (name !== null && isOid(name)) return name;
  throw unknownRef(refs, name);
}

function unknownRef(refs: ReadonlyMap<string, string>, name: string | null): IntakeError {
  const names = [...refs.keys()]
    .filter((ref) => !ref.endsWith(PEELED))
    .flatMap((ref) => /^refs\/(?:heads|tags)\/(.+)$/.exec(ref)?.[1] ?? []);
  const some = names.slice(0, NAMED_IN_ERROR).join(", ");
  const known = `It has ${names.length > NAMED_IN_ERROR ? `${some} and others` : some}.`;
  const message =
    name === null
      ? `The repository has no default branch. Name a ref. ${known}`
      : `The repository has no branch or tag "${name.slice(0, 100)}". ${known} A commit is named by all its 40 digits.`;
  return new IntakeError("ref_unknown", message);
}
