/** Where the session of an id is. */
import type { SessionReach } from "./client.ts";
import { followSession } from "./session/follow.ts";
import type { AgentSessionBase } from "./session/object.ts";
import { sessionAt } from "./session/request.ts";

export function sessionsIn(namespace: DurableObjectNamespace<AgentSessionBase>): SessionReach {
  const session = (id: string) => sessionAt(() => namespace.getByName(id));
  return {
    session,
    bundle: (id, request) => namespace.getByName(id).fetch(request),
    events(id, after, signal) {
      const watch = () =>
        namespace.getByName(id).fetch("https://session/", { headers: { Upgrade: "websocket" } });
      return followSession(session(id), watch, after, signal);
    },
  };
}
