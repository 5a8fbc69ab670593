/** Where the files behind an address are fetched from. */

import type { Strip } from "./intake/top-folder.ts";

/**
 * An archive by its address, or a repository that is read by git's own protocol. `strip` takes off
 * the folder that a forge puts around the files of an archive that it makes.
 */
export interface RemoteSource {
  readonly kind: "archive" | "git";
  readonly url: string;
  readonly strip: Strip;
}

const ARCHIVE = /\.(?:tar\.gz|tgz|tar|zip)$/i;
/** Archives that forges make, where others keep the paths that their maker gave them. */
const FORGE_ARCHIVE =
  /^https?:\/\/(?:codeload\.github\.com\/|github\.com\/[^/]+\/[^/]+\/archive\/|gitlab\.com\/.+\/-\/archive\/)/i;
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
  if (ARCHIVE.test(pathname)) return archive(address);
  if (isPrivate) return { kind: "git", url: address, strip: 0 };
  const encoded = ref === null ? "HEAD" : ref.split("/").map(encodeURIComponent).join("/");
  if (hostname === "github.com") {
    const [, owner, name] = FORGE_PATH.exec(pathname) ?? [];
    if (owner !== undefined && name !== undefined) {
      return archive(`https://codeload.github.com/${owner}/${name}/tar.gz/${encoded}`);
    }
  }
  if (hostname === "gitlab.com") {
    const [, group, name] = GITLAB_PATH.exec(pathname) ?? [];
    if (group !== undefined && name !== undefined) {
      return archive(`${origin}/${group}${name}/-/archive/${encoded}/${name}.tar.gz`);
    }
  }
  return { kind: "git", url: address, strip: 0 };
}

function archive(url: string): RemoteSource {
  return { kind: "archive", url, strip: FORGE_ARCHIVE.test(url) ? "auto" : 0 };
}
