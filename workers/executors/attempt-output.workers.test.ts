import { describe, expect, it } from "vitest";
import { startAttempt } from "./contract-support.ts";
import { makeLocalExecutor } from "./local/test-support.ts";
import type { Work } from "./port.ts";

const ACCOUNT = '{"private_key":"-----BEGIN\\nMIIE-it\'s-`deep`"}';

function attempt(work: Partial<Work>) {
  const secrets = { resolve: async () => new Map([["GCP", ACCOUNT]]) };
  return startAttempt(makeLocalExecutor, { ...work, secrets: ["GCP"] }, { secrets }).ended;
}

/** All of an attempt that its caller sees. */
async function shownBy(work: Partial<Work>): Promise<string> {
  const { stdout, stderr, outcome, artifacts } = await attempt(work);
  return JSON.stringify([stdout, stderr, outcome, [...artifacts.keys()]]);
}

describe("a secret with quotes, backslashes and lines", () => {
  it("is masked wherever a JavaScript task puts it", async () => {
    const shown = await shownBy({
      language: "javascript",
      script: `export default async (_, ctx) => {
        const secret = ctx.env.GCP;
        console.log(ctx.env);
        console.log([secret], "%o", secret, { body: JSON.stringify({ secret }) });
        console.log(JSON.parse(secret));
        await ctx.files.write("out/MIIE-it's-\`deep\`.txt", "x");
        throw Object.assign(new Error("e"), { code: secret });
      }`,
      artifacts: ["out/*"],
    });
    expect(shown).toContain("out/***.txt");
    expect(shown).not.toContain("BEGIN");
    expect(shown).not.toContain("MIIE");
  });

  it("is masked wherever a shell task puts it", async () => {
    const shown = await shownBy({
      language: "bash",
      script: `declare -p GCP; export -p; printf '%q\\n' "$GCP"; echo "\${GCP@Q}"; set
        jq -nr 'env.GCP | fromjson | .private_key'
        set -x; : "$GCP"; exit 3`,
    });
    expect(shown).toContain("***");
    expect(shown).not.toContain("BEGIN");
    expect(shown).not.toContain("MIIE");
  });
});
