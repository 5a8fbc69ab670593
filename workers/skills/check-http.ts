/** Whether the request of an `http` skill can be made, and goes where the skill is permitted to. */
import type { Config } from "../config.ts";
import type { Issue } from "../http/errors.ts";
import { whyRefused } from "../security/outbound.ts";
import { canonicalHost, matchesRule, parseHostRule } from "../security/outbound-hosts.ts";
import { secretOf } from "../tasks/rules.ts";
import { secretIssues, textIssues, valueTextIssues } from "./check-texts.ts";
import type { Implementation, SkillContent } from "./content.ts";

type HttpImplementation = Extract<Implementation, { readonly type: "http" }>;

const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const LINE_BREAK = /[\r\n\0]/;
/** What of the URL stands before its path, whole. */
const ORIGIN = /^https?:\/\/[^/?#]+(?=[/?#])/i;
const WITHOUT_BODY: ReadonlySet<string> = new Set(["GET", "HEAD"]);
const DEFAULT_PORTS: Readonly<Record<string, number>> = { "http:": 80, "https:": 443 };

export function httpIssues(
  implementation: HttpImplementation,
  content: SkillContent,
  config: Config,
): Issue[] {
  const { url, method, query, body } = implementation;
  const at = (member: string) => `implementation.${member}`;
  const problem = urlProblem(url, content.permissions.network, config);
  const issues = [
    ...(problem === null ? [] : [{ path: at("url"), message: problem }]),
    ...textIssues(url, at("url"), content),
    ...valueTextIssues(query, at("query"), content),
    ...valueTextIssues(body, at("body"), content),
    ...headerIssues(implementation, content),
  ];
  if (body !== null && WITHOUT_BODY.has(method)) {
    const message = `A ${method} has no body. Use query, or another method.`;
    issues.push({ path: at("body"), message });
  }
  return issues;
}

function urlProblem(text: string, network: readonly string[], config: Config): string | null {
  const [known = ""] = text.split("${{", 1);
  const origin = ORIGIN.exec(`${known}${known === text ? "/" : ""}`)?.[0];
  if (origin === undefined) {
    return "Give an http or https address whose host is written out: expressions stand behind the host alone, from its first slash on.";
  }
  const url = URL.parse(origin);
  const host = url === null ? null : canonicalHost(url.hostname);
  if (url === null || host === null) return "The address has no host that can be asked.";
  if (url.username + url.password !== "") {
    return "Credentials have no place in an address. Send a secret in a header.";
  }
  const port = url.port === "" ? (DEFAULT_PORTS[url.protocol] ?? 0) : Number(url.port);
  const isPermitted = network.some((text) => {
    const rule = parseHostRule(text);
    return rule !== null && matchesRule(rule, host, port);
  });
  if (!isPermitted) return `permissions.network does not name the host ${url.host}. Add it there.`;
  return whyRefused(origin, config);
}

function headerIssues({ headers }: HttpImplementation, content: SkillContent): Issue[] {
  return Object.entries(headers).flatMap(([name, value]) => {
    const path = `implementation.headers.${name}`;
    const issues: Issue[] = [];
    if (!HEADER_NAME.test(name)) issues.push({ path, message: "The name is none of a header." });
    if (LINE_BREAK.test(value)) issues.push({ path, message: "A header is one line." });
    const secret = secretOf(value);
    if (secret === null) return [...issues, ...textIssues(value, path, content)];
    return [...issues, ...secretIssues(secret, path, content)];
  });
}
