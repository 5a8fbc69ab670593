/** An attempt's part in the sandbox that steps of its run share. */
import { dispatchKey } from "../detached.ts";
import type { AttemptRequest } from "../port.ts";
import { ttlOf } from "./drive.ts";
import { type JoinAnswer, type LeaseAsk, leaseKey, type SandboxLeases } from "./lease.ts";
import type { RemotePorts } from "./ports.ts";
import type { AttemptState } from "./state.ts";

export class SharedSandbox {
  readonly #ports: RemotePorts;
  readonly #request: AttemptRequest;

  constructor(ports: RemotePorts, request: AttemptRequest) {
    this.#ports = ports;
    this.#request = request;
  }

  #ask(state: AttemptState): LeaseAsk {
    const { work, project_id } = this.#request;
    const { resource_id, run } = state.dispatch;
    return {
      resource_id,
      run,
      project_id,
      template: work.template ?? this.#ports.default_template,
      allow: [...work.network.allow],
      priority: state.priority,
      ttl_ms: ttlOf(state, Date.now()),
    };
  }

  #lease(state: AttemptState): SandboxLeases {
    return this.#ports.lease(leaseKey(this.#ask(state)));
  }

  /** Joins, or stays in. */
  join(state: AttemptState): Promise<JoinAnswer> {
    return this.#lease(state).join(dispatchKey(state.dispatch), this.#ask(state), state.sandbox_id);
  }

  /** Its part of what the sandbox cost, in ms of it; null when nobody knows. It takes no part from then on. */
  bill(state: AttemptState): Promise<number | null> {
    return this.#lease(state).bill(dispatchKey(state.dispatch));
  }

  leave(state: AttemptState): Promise<void> {
    return this.#lease(state).leave(dispatchKey(state.dispatch));
  }

  /** Says that the sandbox does not seem to be there any more, so that the next has another. */
  gone(state: AttemptState, sandboxId: string): Promise<void> {
    return this.#lease(state).gone(sandboxId);
  }
}
