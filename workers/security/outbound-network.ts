/**
 * The network that `npm start` gives the Worker as `EGRESS_NETWORK`. workerd checks the address it
 * is about to connect to, after its own resolution, so that no answer of a name server that changes
 * between check and connection reaches a private address.
 */
import { REFUSED_CIDRS } from "./outbound-addresses.ts";

export const EGRESS_NETWORK_BINDING = {
  type: "network" as const,
  allow: ["public"],
  deny: [...REFUSED_CIDRS],
  tlsOptions: { trustBrowserCas: true },
};
