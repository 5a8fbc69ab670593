/** The Worker's exports. No logic. */
import { DurableObject } from "cloudflare:workers";

export { Limits } from "./operations/limits.ts";

export class RunCoordinator extends DurableObject<Env> {}
export class Metrics extends DurableObject<Env> {}

export default {
  async fetch() {
    return Response.json({ status: "starting" });
  },
} satisfies ExportedHandler<Env>;
