import { describe, expect, it } from "vitest";
import { Faults } from "./faults.ts";
import { imageEnvironment, resolveImage } from "./images.ts";

const resolve = (address: string, faults = new Faults()) =>
  resolveImage(address, "linux/amd64", faults);

describe("resolveImage", () => {
  it.each([
    ["node:22", "docker.io/library/node:22"],
    ["python", "docker.io/library/python:latest"],
    ["docker.io/library/alpine:3.20", "docker.io/library/alpine:3.20"],
    ["library/debian:12-slim", "docker.io/library/debian:12-slim"],
    [`bash@sha256:${"0".repeat(64)}`, `docker.io/library/bash@sha256:${"0".repeat(64)}`],
  ])("completes %s", (address, reference) => {
    expect(resolve(address).reference).toBe(reference);
  });

  it.each(["does-not-exist:1", "ghcr.io/someone/node:22", "someone/node", "localhost:5000/alpine"])(
    "cannot pull %s",
    (address) => expect(() => resolve(address)).toThrow(/^failed to resolve image .* denied/),
  );

  it.each(["", "Node:22", "node:", "no de"])("cannot parse %j", (address) => {
    expect(() => resolve(address)).toThrow(/^failed to parse image address/);
  });

  it("fails as a fault says", () => {
    const faults = new Faults({ pullFailures: { "node:22": "toomanyrequests: rate limit" } });
    expect(() => resolve("node:22", faults)).toThrow(
      /"linux\/amd64"\): toomanyrequests: rate limit$/,
    );
    expect(resolve("node:24", faults).name).toBe("node");
  });
});

describe("imageEnvironment", () => {
  it("is small", () => {
    expect([...imageEnvironment(resolve("alpine")).keys()]).toEqual(["PATH"]);
    expect([...imageEnvironment(resolve("node:22")).keys()]).toEqual(["PATH", "NODE_VERSION"]);
  });
});
