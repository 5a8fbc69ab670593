/** Runs the fake E2B as a process of its own. */
import process from "node:process";
import { parseArgs } from "node:util";
import { z } from "zod";
import { ISOLATION_KINDS } from "./isolation.ts";
import { FAKE_API_KEY, type FakeE2BOptions, startFakeE2B } from "./server.ts";

const USAGE = `A fake of E2B with real processes, for tests and demonstrations.

usage: node containers/fakes/e2b/main.ts [options]

  --port N                 where it listens on 127.0.0.1; 0, the default, takes a free port
  --api-key KEY            the key it accepts (${FAKE_API_KEY})
  --template NAME          a template that exists, as often as there are some; any by default
  --max-concurrent N       sandboxes that may run at once
  --creates-per-second N   how fast sandboxes may be created
  --isolation KIND         ${ISOLATION_KINDS.join(" or ")}; the best there is by default
  --watch-stdin            stop when standard input ends, as it does when the parent dies
  --help

Once it listens it prints {"port":N}. SIGTERM and SIGINT stop it with all that it started.
For the SDK: apiUrl and sandboxUrl are both http://127.0.0.1:N.
POST /__faults and GET /__state switch faults and show what there is; see admin.ts.
`;

const count = z.coerce.number().positive();
const argumentsSchema = z.object({
  port: z.coerce.number().int().min(0).max(65_535).optional(),
  "api-key": z.string().min(1).optional(),
  template: z.array(z.string()).optional(),
  "max-concurrent": count.optional(),
  "creates-per-second": count.optional(),
  isolation: z.enum(ISOLATION_KINDS).optional(),
  "watch-stdin": z.boolean().default(false),
  help: z.boolean().default(false),
});
type Arguments = z.output<typeof argumentsSchema>;

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      "api-key": { type: "string" },
      template: { type: "string", multiple: true },
      "max-concurrent": { type: "string" },
      "creates-per-second": { type: "string" },
      isolation: { type: "string" },
      "watch-stdin": { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  const outcome = argumentsSchema.safeParse(values);
  if (outcome.success) return outcome.data;
  throw new Error(z.prettifyError(outcome.error));
}

async function main(): Promise<void> {
  const given = readArguments();
  if (given.help) {
    process.stdout.write(USAGE);
    return;
  }
  const options: FakeE2BOptions = {
    ...(given.port !== undefined && { port: given.port }),
    ...(given["api-key"] !== undefined && { apiKey: given["api-key"] }),
    ...(given.template && { templates: given.template }),
    ...(given["max-concurrent"] !== undefined && { maxConcurrent: given["max-concurrent"] }),
    ...(given["creates-per-second"] !== undefined && {
      createsPerSecond: given["creates-per-second"],
    }),
    ...(given.isolation && { isolation: given.isolation }),
  };
  const fake = await startFakeE2B(options);
  const stop = () => void fake.stop().then(() => process.exit(0));
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  if (given["watch-stdin"]) process.stdin.once("end", stop).resume();
  process.stdout.write(`${JSON.stringify({ port: fake.port })}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  process.exitCode = 2;
}
