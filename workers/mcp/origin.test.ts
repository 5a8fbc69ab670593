import { describe, expect, it } from "vitest";
import { whyRefused } from "./origin.ts";

const origins = ["https://app.example.com", "http://localhost:3000"];
const local = { origins, routed: false };
const deployed = { origins, routed: true };

describe("the host of a request", () => {
  it.each([
    "localhost:8001",
    "127.0.0.1:8001",
    "[::1]:8001",
    "192.168.1.7",
    "pipelzr:8001",
    "host.docker.internal:8001",
    "box.local",
    "app.example.com",
  ])("may be %s", (host) => {
    expect(whyRefused({ host, origin: null }, local)).toBeNull();
  });

  it.each(["evil.example.com", "localhost.evil.com", "127.0.0.1.nip.io", "test.evil.com:80", ""])(
    "may not be %s, which a foreign DNS server can lead here",
    (host) => {
      expect(whyRefused({ host, origin: null }, local)).toContain("CORS_ORIGINS");
    },
  );

  it("is the platform's to check where it routes", () => {
    expect(whyRefused({ host: "pipelzr.example.workers.dev", origin: null }, deployed)).toBeNull();
  });
});

describe("the origin of a request", () => {
  const host = "localhost:8001";

  it("is one that is configured, or the service's own", () => {
    expect(whyRefused({ host, origin: "https://app.example.com" }, local)).toBeNull();
    expect(whyRefused({ host, origin: "http://localhost:8001" }, local)).toBeNull();
    expect(
      whyRefused({ host: "p.example.dev", origin: "https://p.example.dev" }, deployed),
    ).toBeNull();
  });

  it.each([
    "http://evil.example.com",
    "http://localhost:9999",
    "https://app.example.com.evil.com",
    "http://app.example.com",
    "null",
    "nonsense",
  ])("may not be %s", (origin) => {
    expect(whyRefused({ host, origin }, local)).toContain("CORS_ORIGINS");
    expect(whyRefused({ host: "p.example.dev", origin }, deployed)).toContain("CORS_ORIGINS");
  });

  it("is any when any is configured, yet the host is held to its own", () => {
    const any = { origins: ["*"], routed: false };
    expect(whyRefused({ host, origin: "http://evil.example.com" }, any)).toBeNull();
    const rebound = { host: "evil.example.com", origin: "http://evil.example.com" };
    expect(whyRefused(rebound, local)).not.toBeNull();
    expect(whyRefused(rebound, any)).not.toBeNull();
  });
});
