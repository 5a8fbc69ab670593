/**
 * `.dev.vars`: what a service on this machine needs and nobody should have to think of. Made once,
 * kept afterwards, read by `npm start` and by `wrangler dev`.
 */
import { randomBytes } from "node:crypto";
import { chmod, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseEnv } from "node:util";
import { causeInWords, makeFolder } from "./folders.ts";

export type Variables = Readonly<Record<string, string>>;

/** Variables without which a local service cannot work, with fresh values. */
export function freshDevVars(): Record<"PIPELZR_DEV_API_KEY" | "SECRETS_MASTER_KEYS", string> {
  return {
    PIPELZR_DEV_API_KEY: `plz_dev_${randomBytes(24).toString("base64url")}`,
    SECRETS_MASTER_KEYS: `k1:${randomBytes(32).toString("base64")}`,
  };
}

const HEADER = `# Variables of PIPELZR on this machine. Made by \`npm start\`; edit and add as you like.
# .env.example lists what there is. The two below are secrets: keep this file to yourself.
`;

function parse(text: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(parseEnv(text))) {
    if (value !== undefined) values[name] = value;
  }
  return values;
}

/** Reads the file, and adds to it what it lacks. Only its owner may read it. */
export async function ensureDevVars(path: string): Promise<Variables> {
  try {
    return await completeDevVars(path);
  } catch (error) {
    throw new Error(
      `The file of variables ${path} cannot be read and written: ${causeInWords(error)}. ` +
        "Make it this user's own, or set PIPELZR_DATA_DIR to have one in another folder.",
      { cause: error },
    );
  }
}

async function completeDevVars(path: string): Promise<Variables> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return null;
    throw error;
  });
  const present = parse(text ?? "");
  const added = Object.entries(freshDevVars()).filter(([name]) => !present[name]);
  if (added.length > 0) {
    const head = text === null ? HEADER : text.replace(/\n?$/, "\n");
    const lines = added.map(([name, value]) => `${name}="${value}"\n`).join("");
    makeFolder(dirname(path));
    await writeFile(path, head + lines, { mode: 0o600 });
  }
  await chmod(path, 0o600);
  return { ...present, ...Object.fromEntries(added) };
}
