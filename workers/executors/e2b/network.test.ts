import { describe, expect, it } from "vitest";
import { networkOptions } from "./network.ts";

describe("networkOptions", () => {
  it("closes the network unless hosts are allowed", () => {
    expect(networkOptions([])).toEqual({ allowInternetAccess: false });
    expect(networkOptions(["not a host"])).toEqual({ allowInternetAccess: false });
  });

  it("opens it altogether for *", () => {
    expect(networkOptions(["example.com", "*"])).toEqual({ allowInternetAccess: true });
  });

  it("allows hosts by name, and denies the rest", () => {
    expect(networkOptions(["Example.com:443", "*.npmjs.org", "example.com"])).toEqual({
      network: { allowOut: ["example.com", "*.npmjs.org"], denyOut: ["0.0.0.0/0"] },
    });
  });
});
