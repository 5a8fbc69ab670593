/** Instructions of skills as prompts. */
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { createSkill } from "../skills/test-support.ts";
import { isolate } from "../test/app.ts";
import { mintKey, speaker } from "./test-support.ts";

const { call } = isolate();
const { ask, askLegacy, send } = speaker(call);
const listSchema = z.looseObject({ prompts: z.array(z.looseObject({ name: z.string() })) });

const GUIDE = {
  implementation: null,
  instructions: "# Review\n\nLook for faults.",
  inputs: {
    type: "object",
    properties: { path: { type: "string", description: "What to look at" }, depth: {} },
    required: ["path"],
  },
};

describe("the prompts", () => {
  it("are the skills that have instructions, with their inputs as arguments", async () => {
    const guide = await createSkill(call, GUIDE);
    const plain = await createSkill(call);
    const off = await createSkill(call, { ...GUIDE, enabled: false });
    for (const { prompts } of [
      listSchema.parse(await ask("prompts/list")),
      listSchema.parse(await askLegacy("prompts/list")),
    ]) {
      expect(prompts).toContainEqual({
        ...{ name: guide.slug, title: guide.name, description: guide.description },
        arguments: [
          { name: "path", description: "What to look at", required: true },
          { name: "depth", required: false },
        ],
      });
      const names = prompts.map(({ name }) => name);
      expect(names).not.toContain(plain.slug);
      expect(names).not.toContain(off.slug);
    }
  });

  it("are what the instructions say, with the arguments that are given", async () => {
    const { slug } = await createSkill(call, GUIDE);
    const prompt = await ask("prompts/get", { name: slug, arguments: { path: "src" } });
    expect(prompt).toMatchObject({
      messages: [
        {
          role: "user",
          content: { type: "text", text: "# Review\n\nLook for faults.\n\nInputs:\n- path: src" },
        },
      ],
    });
    const { error } = await send("prompts/get", { name: slug });
    expect([error?.code, error?.message]).toEqual([-32602, expect.stringContaining("path")]);
  });

  it("that are not there are invalid parameters", async () => {
    const plain = await createSkill(call);
    const off = await createSkill(call, { ...GUIDE, enabled: false });
    for (const name of [plain.slug, off.slug, off.id, "nope"]) {
      expect((await send("prompts/get", { name })).error?.code, name).toBe(-32602);
    }
    const key = await mintKey(call, { scopes: ["skills:execute"], projects: ["default"] });
    expect((await send("prompts/list", {}, { key })).error?.code).toBe(-32601);
  });
});
