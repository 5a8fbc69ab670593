/** The official conformance suite, run against the service, with what it expects made of skills. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestService } from "../../workers/test/service.ts";
import { listScenarios, runScenario, runSuite, type ScenarioResult } from "./conformance.ts";
import { createSkills, NAMES, URIS } from "./conformance-skills.ts";
import { McpProxy } from "./mcp-proxy.ts";

/** Of those that the installed suite knows, the ones that the service is for. */
const EXTENDED_REVISION = "2026-07-28";
const REVISIONS = ["2025-11-25", EXTENDED_REVISION];

const NO_MEDIA = "Skills are JSON and text: nothing has images, audio or embedded resources.";
const NO_SAMPLING =
  "No tool asks the client's model or its user during a call: approvals are asked by the Tasks extension.";
const NO_SUBSCRIPTIONS = "The service declares no subscriptions of resources.";

/** Scenarios that fail, and why: they are about what the service does not declare, or cannot be asked for. */
const NOT_OFFERED: Readonly<Record<string, string>> = {
  "logging-set-level": "The service declares no logging, which is deprecated.",
  "tools-call-with-logging": "The service declares no logging, which is deprecated.",
  "completion-complete":
    "The service declares no completions: what an argument may be, its schema says.",
  "tools-call-image": NO_MEDIA,
  "tools-call-audio": NO_MEDIA,
  "tools-call-embedded-resource": NO_MEDIA,
  "tools-call-mixed-content": NO_MEDIA,
  "tools-call-sampling": NO_SAMPLING,
  "tools-call-elicitation": NO_SAMPLING,
  "elicitation-sep1034-defaults": NO_SAMPLING,
  "elicitation-sep1330-enums": NO_SAMPLING,
  "resources-subscribe": NO_SUBSCRIPTIONS,
  "resources-unsubscribe": NO_SUBSCRIPTIONS,
  "prompts-get-embedded-resource": NO_MEDIA,
  "prompts-get-with-image": NO_MEDIA,
  "server-stateless": `Its checks of three diagnostic tools, for sampling, elicitation and logging, fail. ${NO_SAMPLING}`,
  "http-custom-header-server-validation":
    "No tool asks for arguments in headers: the schemas of skills are listed without the mark for it.",
  "input-required-result-basic-elicitation": NO_SAMPLING,
  "input-required-result-basic-sampling": NO_SAMPLING,
  "input-required-result-basic-list-roots": NO_SAMPLING,
  "input-required-result-request-state": NO_SAMPLING,
  "input-required-result-multiple-input-requests": NO_SAMPLING,
  "input-required-result-multi-round": NO_SAMPLING,
  "input-required-result-non-tool-request": NO_SAMPLING,
  "input-required-result-result-type": NO_SAMPLING,
  "input-required-result-tampered-state": NO_SAMPLING,
  "input-required-result-capability-check": NO_SAMPLING,
  "tasks-lifecycle":
    "Its check of a tool that breaks the protocol alone fails: a skill that fails is a result that is an error.",
  "tasks-mrtr-input":
    "Its checks of tools with questions of their own fail: a task asks for approvals alone, by `approved`.",
  "tasks-mrtr-composition": NO_SAMPLING,
  "tasks-required-task-error":
    "No tool needs a client that follows tasks: without one it waits, and tells how to go on.",
};

let service: TestService;
let proxy: McpProxy;

beforeAll(async () => {
  // Quick enough for what the suite calls slow, and slow enough for what it expects at once.
  service = await TestService.start({ variables: { MCP_TASK_AFTER_SECONDS: "0.4" } });
  await createSkills(service);
  proxy = await McpProxy.start({ target: service.url, key: service.key, names: NAMES, uris: URIS });
});
afterAll(async () => {
  await proxy?.stop();
  await service?.stop();
});

describe("the conformance suite", () => {
  it.for(REVISIONS)("passes for %s but for what is not offered", async (revision, { skip }) => {
    const known = [...(await listScenarios()).values()].flat();
    skip(!known.includes(revision), "The installed suite does not know this revision.");
    compare(revision, await runSuite(proxy.url, revision));
  });

  it("passes for extensions but for what is not offered", async ({ skip }) => {
    const scenarios = [...(await listScenarios())]
      .filter(([, revisions]) => revisions.includes("extension"))
      .map(([scenario]) => scenario);
    skip(scenarios.length === 0, "The installed suite knows no extensions.");
    const results: ScenarioResult[] = [];
    for (const scenario of scenarios) {
      results.push(await runScenario(proxy.url, scenario, EXTENDED_REVISION));
    }
    compare("extensions", results);
  });
});

function compare(title: string, results: readonly ScenarioResult[]): void {
  console.log(`${title}:\n${results.map(line).join("\n")}`);
  const failed = results.filter(({ failed }) => failed > 0).map(({ scenario }) => scenario);
  const expected = results
    .map(({ scenario }) => scenario)
    .filter((scenario) => Object.hasOwn(NOT_OFFERED, scenario));
  expect(failed.sort(), service.output).toEqual(expected.sort());
}

function line({ scenario, passed, failed }: ScenarioResult): string {
  const checks = `${passed} passed, ${failed} failed`;
  return failed === 0
    ? `  ✓ ${scenario}: ${checks}`
    : `  – ${scenario}: ${checks}. ${NOT_OFFERED[scenario] ?? "Unexpected."}`;
}
