/** What the tools of MCP servers are called in a session. */
import { contentDigest } from "../../security/hash.ts";

/** What every provider of models takes for the name of a tool. */
const MAX_NAME_CHARS = 64;
const DIGEST_CHARS = 8;
const SEPARATOR = "__";

/**
 * `server__tool`. A tool's name that does not fit is changed, and ends in a digest of what it was: so
 * it depends on nothing but itself, and no other tool can come to be called what a policy is about.
 */
export function toolNameOf(server: string, tool: string): string {
  const prefix = `${server}${SEPARATOR}`;
  const fitting = tool.replace(/[^A-Za-z0-9_-]/g, "_");
  if (fitting === tool && prefix.length + tool.length <= MAX_NAME_CHARS) return prefix + tool;
  const suffix = `_${contentDigest(Buffer.from(tool)).slice(0, DIGEST_CHARS)}`;
  return prefix + fitting.slice(0, MAX_NAME_CHARS - prefix.length - suffix.length) + suffix;
}

/** What stands in tool policies for all tools of the server that a tool is of; null for other tools. */
export function serverPattern(name: string): string | null {
  const end = name.indexOf(SEPARATOR);
  return end <= 0 ? null : `${name.slice(0, end)}${SEPARATOR}*`;
}
