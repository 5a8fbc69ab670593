/**
 * `npm run seed`: installs the skills of `examples/skills` into a service. It may be run again: a
 * skill whose content is the same is left as it is, and one that differs is given a new version.
 */
import { readFile } from "node:fs/promises";
import process from "node:process";
import { parseArgs, parseEnv } from "node:util";
import { table } from "./demo/display.ts";
import { Api } from "./lib/api.ts";
import { devVarsPath } from "./lib/paths.ts";
import { type Seeded, seedSkills } from "./lib/seeding.ts";
import { readSettings } from "./lib/settings.ts";

const USAGE = `usage: npm run seed [-- [--url URL] [--key KEY] [--project ID]]
  --url      of the service; that of \`npm start\` unless given
  --key      an API key with skills:read and skills:write; PIPELZR_KEY, or the key of \`npm start\`
  --project  whose skills they become; the key's own unless given`;

const SAID: Readonly<Record<Seeded["outcome"], string>> = {
  created: "created",
  version: "new version",
  updated: "updated",
  unchanged: "unchanged",
};

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: "string" },
        key: { type: "string" },
        project: { type: "string" },
      },
    });
    return values;
  } catch (error) {
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}

function localUrl(): string {
  const { HOST, PORT } = readSettings(process.env);
  return `http://${HOST === "0.0.0.0" ? "127.0.0.1" : HOST}:${PORT}`;
}

/** The key that `npm start` made and keeps. */
async function localKey(): Promise<string> {
  const text = await readFile(devVarsPath(), "utf8").catch(() => "");
  const key = process.env.PIPELZR_DEV_API_KEY || parseEnv(text).PIPELZR_DEV_API_KEY;
  if (key) return key;
  throw new Error(`No key is known. Start the service by \`npm start\`, or give one.\n${USAGE}`);
}

/** `fetch` says no more than that it failed. */
function explained(error: unknown, url: string): unknown {
  if (!(error instanceof TypeError)) return error;
  return new Error(`No service answers at ${url}. Start it by \`npm start\`, or give --url.`);
}

async function main(): Promise<void> {
  const { url: given, key: givenKey, project = null } = readArguments();
  const url = (given ?? localUrl()).replace(/\/+$/, "");
  const key = givenKey ?? (process.env.PIPELZR_KEY || (await localKey()));
  const seeded = await seedSkills(new Api(url, key), project).catch((error: unknown) => {
    throw explained(error, url);
  });
  const rows = seeded.map(({ slug, version, outcome }) => [slug, version, SAID[outcome]]);
  console.log(`${table(["skill", "version", "what was done"], rows)}\n`);
  const query = project === null ? "" : `?${new URLSearchParams({ project_id: project })}`;
  const inputs = { files: { "a.ts": "// TODO(ada): say hello" } };
  console.log(`Invoke one:

  curl -sS '${url}/api/v1/skills/find-todos/invoke${query}' \\
    -H "Authorization: Bearer $KEY" -H 'Content-Type: application/json' \\
    -d '${JSON.stringify({ inputs })}'
`);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`pipelzr: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
