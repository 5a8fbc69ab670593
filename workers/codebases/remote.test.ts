import { describe, expect, it } from "vitest";
import { remoteSource } from "./remote.ts";

describe("an address", () => {
  it.each([
    ["https://github.com/acme/shop", "https://codeload.github.com/acme/shop/tar.gz/main"],
    ["https://gitlab.com/a/b/shop.git", "https://gitlab.com/a/b/shop/-/archive/main/shop.tar.gz"],
    ["https://github.com/acme/shop/archive/refs/tags/v1.zip", null],
    ["https://gitlab.com/a/shop/-/archive/v1/shop-v1.tar.gz", null],
  ])("%s is an archive with a folder around its files", (address, url) => {
    const expected = { kind: "archive", url: url ?? address, strip: "auto" };
    expect(remoteSource(address, "main", false)).toEqual(expected);
  });

  it.each([
    "https://acme.dev/shop.tar.gz",
    "https://github.com/acme/shop/releases/download/v1/shop.tgz",
  ])("%s is an archive whose paths are kept", (url) => {
    expect(remoteSource(url, null, false)).toEqual({ kind: "archive", url, strip: 0 });
  });

  it.each([
    ["https://git.acme.dev/shop", false],
    ["https://github.com/acme/shop", true],
  ])("%s is read by git's protocol", (url, isPrivate) => {
    expect(remoteSource(url, null, isPrivate)).toEqual({ kind: "git", url, strip: 0 });
  });
});
