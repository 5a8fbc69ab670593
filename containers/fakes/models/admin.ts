/**
 * The fake's own interface, for tests in other processes; it is on the same port and takes no key.
 *
 * - `POST /__replies`: replies, see `reply.ts`, that the next requests get, one after the other.
 * - `GET /__requests`: what was asked, as `RecordedRequest`.
 * - `POST /__release`: lets go on what is held.
 * - `DELETE /__state`: forgets what is queued and what was asked.
 */
import { z } from "zod";
import type { Exchange } from "../e2b/exchange.ts";
import { replySchema } from "./reply.ts";
import type { Script } from "./script.ts";

const repliesSchema = z.array(replySchema);

export const isAdminPath = (pathname: string) => pathname.startsWith("/__");

export async function answerAdmin(exchange: Exchange, script: Script): Promise<void> {
  switch (`${exchange.method} ${exchange.url.pathname}`) {
    case "POST /__replies": {
      script.enqueueParsed(await exchange.body(repliesSchema));
      return exchange.json(200, { queued: script.queued });
    }
    case "GET /__requests":
      return exchange.json(200, script.requests);
    case "POST /__release":
      script.release();
      return exchange.empty(204);
    case "DELETE /__state":
      script.clear();
      return exchange.empty(204);
    default:
      return exchange.json(404, {
        error: `the fake has no ${exchange.method} ${exchange.url.pathname}`,
      });
  }
}
