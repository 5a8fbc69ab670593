/** When what a message began has ended, by the events of its session. */
import { z } from "zod";
import type { SentMessage, SessionEventRow } from "./session-port.ts";

const about = z.object({ input: z.object({ id: z.string() }) });

/** Is told the events in their order; true for the one after which nothing of the message follows. */
export function endOfMessage({
  message_id,
  turn,
}: Pick<SentMessage, "message_id" | "turn">): (event: SessionEventRow) => boolean {
  let awaited = turn;
  const isAbout = (data: string) => {
    const parsed = about.safeParse(JSON.parse(data));
    return parsed.success && parsed.data.input.id === message_id;
  };
  return (event) => {
    switch (event.type) {
      case "turn.started":
        if (awaited === null && isAbout(event.data)) awaited = event.turn;
        return false;
      case "turn.ended":
        return event.turn !== null && event.turn === awaited;
      case "input.dropped":
        return isAbout(event.data);
      default:
        return false;
    }
  };
}
