import { describe, expect, it } from "vitest";
import { referencedSecret, resolveEnvironment, usesSecrets } from "./environment.ts";
import type { Work } from "./port.ts";

const work = (changes: Pick<Partial<Work>, "environment" | "secrets">): Work => ({
  task_type: "local",
  command: "true",
  script: null,
  language: "bash",
  inputs: null,
  environment: {},
  secrets: [],
  files: { kind: "inline", entries: {} },
  mounts: [],
  working_directory: null,
  network: { allow: [] },
  artifacts: [],
  isolation: "shared",
  outputs: null,
  image: null,
  template: null,
  ...changes,
});

const store = (values: Record<string, string>) => {
  const asked: string[][] = [];
  const resolve = async (_: string, names: readonly string[]) => {
    asked.push([...names]);
    return new Map(Object.entries(values).filter(([name]) => names.includes(name)));
  };
  return { asked, resolve };
};

describe("referencedSecret", () => {
  it.each([
    ["${{ secrets.TOKEN }}", "TOKEN"],
    ["${{secrets.A_b-1}}", "A_b-1"],
    ["x ${{ secrets.TOKEN }}", null],
    ["${{ secrets.TOKEN }} x", null],
    ["${{ inputs.x }}", null],
    ["${{ secrets. }}", null],
    ["plain", null],
  ])("of %j is %j", (value, name) => {
    expect(referencedSecret(value)).toBe(name);
  });
});

describe("resolveEnvironment", () => {
  it("asks once for all names, and gives values to names and references", async () => {
    const secrets = store({ A: "value-a", B: "value-b" });
    const asked = work({
      secrets: ["A"],
      environment: { PLAIN: "x", ALSO_A: "${{ secrets.A }}", C: "${{ secrets.B }}" },
    });
    expect(usesSecrets(asked)).toBe(true);
    expect(await resolveEnvironment(asked, "p", secrets)).toEqual({
      variables: { PLAIN: "x", A: "value-a", ALSO_A: "value-a", C: "value-b" },
      secretValues: ["value-a", "value-b"],
    });
    expect(secrets.asked).toEqual([["A", "B"]]);
  });

  it("needs no store without secrets", () => {
    expect(usesSecrets(work({ environment: { A: "x", B: "${HOME}" } }))).toBe(false);
  });

  it("names all that are missing, once each", async () => {
    const asked = work({
      secrets: ["A", "NO"],
      environment: { X: "${{ secrets.NO }}", Y: "${{ secrets.NIL }}" },
    });
    await expect(resolveEnvironment(asked, "p", store({ A: "1" }))).rejects.toMatchObject({
      outcome: {
        reason: "error",
        code: "secret_not_found",
        message: expect.stringMatching(
          /"NO", "NIL" exists in project "p"\. Store it with POST \/api\/v1\/secrets,/,
        ),
      },
    });
  });

  it("masks nothing for an empty value", async () => {
    const { secretValues } = await resolveEnvironment(
      work({ secrets: ["A"] }),
      "p",
      store({ A: "" }),
    );
    expect(secretValues).toEqual([]);
  });
});
