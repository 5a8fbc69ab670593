import { env } from "cloudflare:workers";
import { beforeEach } from "vitest";
import { backendExecutor, type TestOwner } from "../backend-executor.ts";
import { describeExecutorContract } from "../contract.ts";
import type { ContractDeps } from "../contract-support.ts";
import type { Executor } from "../port.ts";
import {
  backend,
  contractPorts,
  installFake,
  loseSandboxes,
  makeRecorder,
  register,
} from "./test-support.ts";

beforeEach(installFake);

function makeExecutor(
  deps: ContractDeps,
  onRegistered: (owner: TestOwner) => void = () => undefined,
): Executor {
  return backendExecutor({
    type: "e2b",
    backend,
    blobs: env.BLOBS,
    register: (owner) => onRegistered(register(owner, contractPorts(deps))),
  });
}

/** The sandbox is gone as soon as the code has said something. */
function losing(deps: ContractDeps): Executor {
  return makeExecutor(deps, (owner) => {
    owner.onReport = async () => {
      if (owner.text().includes("up") && !owner.isOver) await loseSandboxes(owner);
    };
  });
}

describeExecutorContract("e2b", makeExecutor, {
  task_type: "e2b",
  fileModes: true,
  byteNames: true,
  recorder: makeRecorder,
  crashing: losing,
});
