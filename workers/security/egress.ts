/** The network of a local task: what its isolate gets in place of the internet. */
import { WorkerEntrypoint } from "cloudflare:workers";
import { loadConfig } from "../config.ts";
import { ApiError } from "../http/errors.ts";
import { createOutbound } from "./outbound.ts";
import { matchesRule, parseHostRule } from "./outbound-hosts.ts";
import type { CheckedUrl } from "./outbound-url.ts";

export interface EgressProps {
  /** The task's `network.allow`: `host`, `host:port`, `*.example.com`, or `*` for every public host. */
  readonly allow: readonly string[];
  readonly project_id: string;
}

/**
 * Fetches for a task, from hosts in its allow list that are public or exempted by the operator.
 * Anything else makes the task's `fetch` reject with an error that names the host and the remedy.
 * It has no `connect`, so that raw sockets are refused by the runtime.
 */
export class Egress extends WorkerEntrypoint<Env, EgressProps> {
  override async fetch(request: Request): Promise<Response> {
    const rules = this.ctx.props.allow.flatMap((text) => parseHostRule(text) ?? []);
    const permit = ({ host, port }: CheckedUrl) =>
      rules.some((rule) => matchesRule(rule, host, port))
        ? null
        : `the host "${host}" (port ${port}) is not in the task's network.allow; add "${host}" there to allow it`;
    const outbound = createOutbound(this.env, loadConfig(this.env));
    try {
      return await outbound(request, { permit });
    } catch (error) {
      // The message alone: an error that crosses to the task takes its own properties along.
      throw new Error(
        error instanceof ApiError ? error.detail : "The request failed or was aborted.",
      );
    }
  }
}
