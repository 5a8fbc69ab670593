import { describe, expect, it } from "vitest";
import { matchesRule, parseHostRule } from "./outbound-hosts.ts";

function matches(rule: string, host: string, port = 443): boolean {
  const parsed = parseHostRule(rule);
  return parsed !== null && matchesRule(parsed, host, port);
}

describe("host rules", () => {
  it.each([
    ["api.good.com", "api.good.com", 8080],
    ["API.Good.com.", "api.good.com", 443],
    ["good.com:443", "good.com", 443],
    ["*.good.com", "a.good.com", 443],
    ["*.good.com", "a.b.good.com", 443],
    ["*.good.com:8443", "a.good.com", 8443],
    ["*", "anything.org", 1],
    ["*:443", "anything.org", 443],
    ["[::1]", "[::1]", 80],
    ["[0:0:0:0:0:0:0:1]:80", "[::1]", 80],
    ["0x7f.1", "127.0.0.1", 80],
    ["münchen.de", "xn--mnchen-3ya.de", 80],
  ])("%s covers %s:%d", (rule, host, port) => {
    expect(matches(rule, host, port)).toBe(true);
  });

  it.each([
    ["good.com", "a.good.com", 443],
    ["good.com", "good.com.evil.org", 443],
    ["good.com:443", "good.com", 80],
    ["*.good.com", "good.com", 443],
    ["*.good.com", "evilgood.com", 443],
    ["*:443", "anything.org", 80],
  ])("%s does not cover %s:%d", (rule, host, port) => {
    expect(matches(rule, host, port)).toBe(false);
  });

  it.each([
    "",
    "*.",
    "**",
    "*.*.com",
    "a*.good.com",
    "good.*",
    "http://good.com",
    "good.com/",
    "good.com/path",
    "user@good.com",
    "good.com:",
    "good.com:0",
    "good.com:65536",
    "good.com:80:80",
    "::1",
    "[::1",
    "[good.com]",
    "good com",
    "good.com?x",
    "good.com#x",
    "good.com\\x",
    "good.com..",
  ])("%j is no rule", (text) => {
    expect(parseHostRule(text)).toBeNull();
  });
});
