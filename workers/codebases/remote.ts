/** Where the files behind an address are fetched from. */

/** What a user names: an archive by its address, or a repository of a forge that makes archives. */
export type RemoteSource =
  | { readonly kind: "archive"; readonly url: string }
  /** A repository that is read by git's own protocol. */
  | { readonly kind: "git"; readonly url: string };

const ARCHIVE = /\.(?:tar\.gz|tgz|tar|zip)$/i;
const FORGE_PATH = /^\/([\w.-]+)\/([\w.-]+?)(?:\.git)?\/?$/;
const GITLAB_PATH = /^\/((?:[\w.-]+\/)+)([\w.-]+?)(?:\.git)?\/?$/;

/**
 * `ref` is a branch, a tag or a commit; null for the default branch. Forges give archives of private
 * repositories from other hosts than the one that the credentials are for.
 */
export function remoteSource(
  address: string,
  ref: string | null,
  isPrivate: boolean,
): RemoteSource {
  const { hostname, pathname, origin } = new URL(address);
  if (ARCHIVE.test(pathname)) return { kind: "archive", url: address };
  if (isPrivate) return { kind: "git", url: address };
  const encoded = ref === null ? "HEAD" : ref.split("/").map(encodeURIComponent).join("/");
  if (hostname === "github.com") {
    const [, owner, name] = FORGE_PATH.exec(pathname) ?? [];
    if (owner !== undefined && name !== undefined) {
      const url = `https://codeload.github.com/${owner}/${name}/tar.gz/${encoded}`;
      return { kind: "archive", url };
    }
  }
  if (hostname === "gitlab.com") {
    const [, group, name] = GITLAB_PATH.exec(pathname) ?? [];
    if (group !== undefined && name !== undefined) {
      const url = `${origin}/${group}${name}/-/archive/${encoded}/${name}.tar.gz`;
      return { kind: "archive", url };
    }
  }
  return { kind: "git", url: address };
}
