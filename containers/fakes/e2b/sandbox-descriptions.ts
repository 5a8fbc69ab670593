/** Sandboxes as the control plane's answers show them. */
import type { Sandbox } from "./sandbox.ts";
import { templateId } from "./sandboxes.ts";

/** The version of envd whose behavior this is. */
export const ENVD_VERSION = "0.6.13";
/** The service answers with one client id for all, since ids no longer name a node. */
const CLIENT_ID = "6532622b";
const RESOURCES = { cpuCount: 2, memoryMB: 512, diskSizeMB: 10_240 };

const identity = (sandbox: Sandbox) => ({
  sandboxID: sandbox.id,
  templateID: templateId(sandbox.spec.template),
  alias: sandbox.spec.template,
  clientID: CLIENT_ID,
  envdVersion: ENVD_VERSION,
});

/** What create and connect answer: enough to reach it. */
export function describeHandle(sandbox: Sandbox) {
  return {
    ...identity(sandbox),
    ...(sandbox.accessToken !== null && { envdAccessToken: sandbox.accessToken }),
    trafficAccessToken: null,
    domain: null,
  };
}

export function describeListed(sandbox: Sandbox) {
  return {
    ...identity(sandbox),
    ...RESOURCES,
    startedAt: sandbox.startedAt.toISOString(),
    endAt: sandbox.endsAt.toISOString(),
    state: sandbox.state,
    metadata: sandbox.spec.metadata,
    volumeMounts: [],
  };
}

export function describeDetail(sandbox: Sandbox) {
  const { onTimeout, autoResume } = sandbox.spec;
  return {
    ...describeListed(sandbox),
    ...(sandbox.accessToken !== null && { envdAccessToken: sandbox.accessToken }),
    allowInternetAccess: null,
    domain: null,
    lifecycle: { onTimeout: onTimeout === "kill" ? "kill" : "pause", autoResume },
  };
}
