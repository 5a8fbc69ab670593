/** Runs the fake model APIs as a process of their own. */
import process from "node:process";
import { parseArgs } from "node:util";
import { z } from "zod";
import { FAKE_MODEL_KEY, startFakeModels } from "./server.ts";

const USAGE = `A fake of Anthropic's and OpenAI's model APIs, for tests and demonstrations.

usage: node containers/fakes/models/main.ts [options]

  --port N        where it listens on 127.0.0.1; 0, the default, takes a free port
  --api-key KEY   the key it accepts (${FAKE_MODEL_KEY})
  --model NAME    a model that exists, as often as there are some; any by default
  --watch-stdin   stop when standard input ends, as it does when the parent dies
  --help

Once it listens it prints {"port":N}. POST /__replies scripts what it answers; see admin.ts.
For PIPELZR: ANTHROPIC_BASE_URL=http://127.0.0.1:N, OPENAI_BASE_URL=http://127.0.0.1:N/v1.
`;

const argumentsSchema = z.object({
  port: z.coerce.number().int().min(0).max(65_535).default(0),
  "api-key": z.string().min(1).default(FAKE_MODEL_KEY),
  model: z.array(z.string()).optional(),
  "watch-stdin": z.boolean().default(false),
  help: z.boolean().default(false),
});

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      "api-key": { type: "string" },
      model: { type: "string", multiple: true },
      "watch-stdin": { type: "boolean" },
      help: { type: "boolean" },
    },
  });
  const outcome = argumentsSchema.safeParse(values);
  if (!outcome.success) throw new Error(z.prettifyError(outcome.error));
  const { help, port, "api-key": apiKey, model: models, "watch-stdin": watches } = outcome.data;
  if (help) {
    process.stdout.write(USAGE);
    return;
  }
  const fake = await startFakeModels({ port, apiKey, ...(models && { models }) });
  const stop = () => void fake.stop().then(() => process.exit(0));
  process.once("SIGTERM", stop);
  process.once("SIGINT", stop);
  if (watches) process.stdin.once("end", stop).resume();
  process.stdout.write(`${JSON.stringify({ port: fake.port })}\n`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
  process.exitCode = 2;
}
