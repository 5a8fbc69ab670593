/** DNS for the outbound guard. */
import { z } from "zod";

/** Finds every address of a name, IPv4 and IPv6. Rejects when it cannot tell; empty when none exists. */
export interface Resolver {
  resolve(name: string): Promise<readonly string[]>;
}

const TIMEOUT_MS = 3_000;
const NO_ERROR = 0;
const NAME_ERROR = 3;
const RECORD_TYPES = { A: 1, AAAA: 28 } as const;

const answerSchema = z.object({
  Status: z.int(),
  Answer: z.array(z.object({ type: z.int(), data: z.string() })).optional(),
});

/** Resolves by DNS over HTTPS in its JSON form, at an endpoint that the operator chose. */
export function dohResolver(
  endpoint: string,
  send: (request: Request) => Promise<Response>,
): Resolver {
  const ask = async (name: string, type: keyof typeof RECORD_TYPES) => {
    const url = new URL(endpoint);
    url.searchParams.set("name", name);
    url.searchParams.set("type", type);
    const response = await send(
      new Request(url, {
        headers: { Accept: "application/dns-json" },
        redirect: "manual",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      }),
    );
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new Error(`the resolver answered ${response.status}`);
    }
    const answer = answerSchema.parse(await response.json());
    if (answer.Status !== NO_ERROR && answer.Status !== NAME_ERROR) {
      throw new Error(`the resolver answered with DNS status ${answer.Status}`);
    }
    return (answer.Answer ?? [])
      .filter((record) => record.type === RECORD_TYPES[type])
      .map((record) => record.data);
  };
  return {
    async resolve(name) {
      return (await Promise.all([ask(name, "A"), ask(name, "AAAA")])).flat();
    },
  };
}
