import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AssistantPart,
  conversationProblem,
  textOf,
  toolCallsOf,
} from "../models/messages.ts";
import {
  type ConversationItem,
  compactionPoint,
  modelMessages,
  UNANSWERED,
} from "./conversation.ts";
import { simulate } from "./machine-simulator.ts";
import { scenarios, WILD } from "./machine-simulator-draw.ts";
import type { Scenario } from "./machine-simulator-scenario.ts";
import { Script } from "./machine-simulator-script.ts";

const RUNS = Number(process.env.MACHINE_RUNS ?? 1_000);
const TIMEOUT_MS = 15_000 + RUNS * 20;

const callPart = (id: string): AssistantPart => ({
  type: "tool_call",
  id,
  name: "tool",
  input: {},
  signature: null,
  provider: "operator",
});
const words = (text: string): AssistantPart => ({ type: "text", text });

/** Items by what they are, numbered as they come. */
function items(...of: readonly ItemOf[]): ConversationItem[] {
  return of.map((item, index) => ({ ...item, seq: index + 1 }));
}
type ItemOf = ConversationItem extends infer T
  ? T extends unknown
    ? Omit<T, "seq">
    : never
  : never;

const message = (turn: number, text = `m${turn}`): ItemOf => ({
  type: "message",
  turn,
  content: [{ type: "text", text }],
});
const step = (turn: number, number: number, ...content: AssistantPart[]): ItemOf => ({
  type: "step",
  turn,
  step: number,
  message: { role: "assistant", content },
  is_partial: false,
});
const partial = (turn: number, number: number, ...content: AssistantPart[]): ItemOf => ({
  type: "step",
  turn,
  step: number,
  message: { role: "assistant", content },
  is_partial: true,
});
const answer = (turn: number, number: number, call: string): ItemOf => ({
  type: "answer",
  turn,
  step: number,
  call,
  output: `${turn}/${number}/${call}`,
  is_error: false,
});

/** Each message as a line. */
function told(of: readonly ConversationItem[]): string[] {
  const messages = modelMessages(of);
  expect(conversationProblem(messages)).toBeNull();
  return messages.map((each) => {
    const parts = each.content.map((part) =>
      part.type === "text" || part.type === "reasoning"
        ? part.text
        : part.type === "tool_call"
          ? `call ${part.id}`
          : `${part.id}: ${part.output}`,
    );
    return `${each.role}: ${parts.join(", ")}`;
  });
}

describe("a conversation", () => {
  it("has the answers of a step behind it, in the order of its calls", () => {
    const of = items(
      message(1),
      step(1, 1, words("Two."), callPart("a"), callPart("b")),
      answer(1, 1, "b"),
      answer(1, 1, "a"),
      step(1, 2, callPart("a")),
      answer(1, 2, "a"),
      step(1, 3, words("Done.")),
    );
    expect(told(of)).toEqual([
      "user: m1",
      "assistant: Two., call a, call b",
      "tool: a: 1/1/a, b: 1/1/b",
      "assistant: call a",
      "tool: a: 1/2/a",
      "assistant: Done.",
    ]);
  });

  it("has nothing of a turn that was rolled back", () => {
    const of = items(
      message(1),
      step(1, 1, words("Yes.")),
      message(2),
      step(2, 1, callPart("a")),
      answer(2, 1, "a"),
      { type: "rolled_back", turn: 2 },
      message(3),
    );
    expect(told(of)).toEqual(["user: m1", "assistant: Yes.", "user: m3"]);
  });

  it("keeps what an interrupted turn has said, and answers what it left open", () => {
    const of = items(message(1), step(1, 1, callPart("a")), message(2));
    expect(told(of)).toEqual([
      "user: m1",
      "assistant: call a",
      `tool: a: ${UNANSWERED.interrupted}`,
      "user: m2",
    ]);
  });

  it("keeps the text of a step that was stopped, and has the model go on from there", () => {
    const thought = {
      type: "reasoning",
      provider: "anthropic",
      text: "Hm",
      signature: null,
      redacted_data: null,
    } as const;
    const of = items(message(1), partial(1, 1, thought, words("The answer")));
    expect(told(of)).toEqual([
      "user: m1",
      "assistant: The answer",
      "user: Your answer was interrupted here. Go on from where it stops.",
    ]);
    expect(told([...of, ...items(message(2))])).toEqual([
      "user: m1",
      "assistant: The answer",
      "user: m2",
    ]);
    expect(told(items(message(1), partial(1, 1, thought)))).toEqual(["user: m1"]);
  });

  it("begins with its summary, and goes back to what that stood for when its turn is rolled back", () => {
    const of = items(message(1), step(1, 1, words("Yes.")), message(2), {
      type: "summary",
      turn: 2,
      through: 2,
      text: "They agreed.",
    });
    expect(told(of)).toEqual([
      "user: This is a summary of the conversation up to here:\n\nThey agreed.",
      "user: m2",
    ]);
    const back: ConversationItem = { type: "rolled_back", turn: 2, seq: 5 };
    expect(told([...of, back])).toEqual(["user: m1", "assistant: Yes."]);
  });
});

describe("the point of a compaction", () => {
  const of = items(
    message(1),
    step(1, 1, callPart("a"), callPart("b")),
    answer(1, 1, "a"),
    answer(1, 1, "b"),
    step(1, 2, words("Done.")),
  );

  it.each([
    [6, 5],
    [5, 4],
    [4, 1],
    [3, 1],
    [2, 1],
    [1, null],
  ])("that keeps what comes from %j on is behind %j", (from, through) => {
    expect(compactionPoint(of, from)).toBe(through);
  });

  it("is not where another one was", () => {
    const summary = { type: "summary", turn: 1, through: 4, text: "So far.", seq: 6 } as const;
    expect(compactionPoint([...of, summary], 5)).toBeNull();
    expect(compactionPoint([...of, summary], 6)).toBe(5);
  });
});

/** Anything that may be recorded, in any order. */
const anyItem: fc.Arbitrary<ItemOf> = fc.oneof(
  fc.nat(3).map((turn) => message(turn)),
  fc
    .record({
      turn: fc.nat(3),
      step: fc.nat(2),
      is_partial: fc.boolean(),
      calls: fc.uniqueArray(fc.constantFrom("a", "b"), { maxLength: 2 }),
      text: fc.constantFrom("", "words"),
    })
    .map(({ calls, text, ...rest }) => ({
      ...rest,
      type: "step" as const,
      message: {
        role: "assistant" as const,
        content: [...(text === "" ? [] : [words(text)]), ...calls.map(callPart)],
      },
    })),
  fc
    .record({ turn: fc.nat(3), step: fc.nat(2), call: fc.constantFrom("a", "b", "c") })
    .map((ref) => answer(ref.turn, ref.step, ref.call)),
  fc
    .record({ turn: fc.nat(3), through: fc.nat(20) })
    .map((drawn) => ({ ...drawn, type: "summary" as const, text: "Before." })),
  fc.nat(3).map((turn) => ({ type: "rolled_back" as const, turn })),
);

it("is one that a provider takes, whatever was recorded", () => {
  const property = fc.property(fc.array(anyItem, { maxLength: 20 }), (drawn) => {
    const of = items(...drawn);
    const messages = modelMessages(of);
    if (messages.length > 0) expect(conversationProblem(messages)).toBeNull();
    const point = compactionPoint(of, drawn.length);
    if (point !== null) expect(point).toBeLessThan(drawn.length);
  });
  fc.assert(property, { numRuns: RUNS });
});

/** What the shell records of a simulated session; `judge` sees it before each step. */
function record(scenario: Scenario, judge: (of: readonly ConversationItem[]) => void): void {
  const script = new Script(scenario);
  const of: ConversationItem[] = [];
  let seq = 0;
  const add = (item: ItemOf) => {
    seq += 1;
    of.push({ ...item, seq });
  };
  for (const event of simulate(scenario).log) {
    if (event.type === "turn.started" && event.input.kind === "message") {
      add(message(event.turn, event.input.id));
    } else if (event.type === "step.finished" && event.kind === "reply") {
      const calls = script.step(event.turn, event.step).calls.map(({ id }) => callPart(id));
      add(step(event.turn, event.step, ...(calls.length > 0 ? calls : [words("Done.")])));
    } else if (event.type === "step.finished") {
      const through = compactionPoint(of, seq - (scenario.seed % 7));
      if (through !== null) add({ type: "summary", turn: event.turn, through, text: "Before." });
    } else if (event.type === "step.stopped" && event.kind === "reply") {
      add(partial(event.turn, event.step, words("Do")));
    } else if (event.type === "tool.finished") add(answer(event.turn, event.step, event.call));
    else if (event.type === "turn.ended" && event.stop_reason === "rolled_back") {
      add({ type: "rolled_back", turn: event.turn });
    } else if (event.type === "step.started" && event.kind === "reply") judge(of);
  }
}

it(
  "of a session is whole before each step, through every fault and command",
  () => {
    const property = fc.property(scenarios(WILD), (scenario) => {
      record(scenario, (of) => {
        const messages = modelMessages(of);
        expect(conversationProblem(messages)).toBeNull();
        expect(messages.at(-1)?.role).not.toBe("assistant");
        const results = messages.flatMap((each) => (each.role === "tool" ? each.content : []));
        expect(results.filter(({ output }) => output === UNANSWERED.interrupted)).toEqual([]);
        const asked = messages.flatMap(toolCallsOf);
        expect(results).toHaveLength(asked.length);
        const live = of.at(-1)?.turn;
        const begun = of.find((item) => item.type === "message" && item.turn === live);
        const isTold = messages.some(
          (each) =>
            begun?.type === "message" &&
            textOf(each) === textOf({ role: "user", content: begun.content }),
        );
        const isSummedUp = messages.some((each) => textOf(each).startsWith("This is a summary"));
        expect(isTold || isSummedUp).toBe(true);
      });
    });
    fc.assert(property, { numRuns: Math.ceil(RUNS / 4) });
  },
  TIMEOUT_MS,
);
