import { z } from "zod";
import { failure } from "./results.ts";
import { defineTool } from "./tool.ts";

export const askUser = defineTool({
  name: "ask_user",
  description:
    "Asks the user something that you cannot find out yourself, and waits for the answer.",
  scopes: [],
  recovery: "report",
  is_parallel: false,
  kind: "input",
  input: z.strictObject({
    question: z.string().min(1).max(10_000),
    options: z.array(z.string().min(1).max(500)).max(20).optional().describe("Answers to choose."),
  }),
  // The session itself waits for the user's message, which is the result.
  run: async () => failure("The question was not put to the user. Ask it in words."),
});
