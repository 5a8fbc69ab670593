/** Carries out the prompts of skills: one answer of a model, as text or as JSON. */
import { type Completion, complete } from "../agents/models/complete.ts";
import { userText } from "../agents/models/messages.ts";
import { ModelError, type ModelPort, type ModelUsage } from "../agents/models/port.ts";
import type { ResolvedModel } from "../agents/models/registry.ts";
import { AttemptOutput } from "../executors/attempt-output.ts";
import { failed, failureOf, stopped } from "../executors/outcome.ts";
import type {
  AttemptSink,
  Caller,
  CallRequest,
  Json,
  ModelCall,
  Outcome,
} from "../executors/port.ts";

/** What the caller asks of the models there are. */
export interface Models extends ModelPort {
  /** Throws `ModelError` for a name that leads to no model that writes; null is the default. */
  resolveWriter(name: string | null): ResolvedModel;
  /** USD; null when it is not known. */
  costOf(usage: ModelUsage, name: string): number | null;
}

class ModelCaller implements Caller {
  readonly #models: Models;

  constructor(models: Models) {
    this.#models = models;
  }

  async run(request: CallRequest, sink: AttemptSink, signal: AbortSignal): Promise<Outcome> {
    const { call } = request;
    if (call.via !== "model") throw new Error(`a call via "${call.via}" asks no model`);
    const output = new AttemptOutput(sink, []);
    let outcome: Outcome;
    try {
      outcome = await this.#ask(call, output, signal);
    } catch (error) {
      outcome = signal.aborted ? stopped(signal, request) : failureOfModel(error);
    }
    return output.settle(outcome, call.outputs);
  }

  async #ask(call: ModelCall, output: AttemptOutput, signal: AbortSignal): Promise<Outcome> {
    const { name } = this.#models.resolveWriter(call.model);
    const answer = await complete(
      this.#models,
      {
        model: name,
        instructions: call.instructions,
        messages: [userText(call.prompt)],
        tools: [],
        tool_choice: "none",
        output_schema: call.outputs,
        temperature: call.temperature,
        max_output_tokens: call.max_output_tokens,
      },
      signal,
    );
    for (const warning of answer.warnings) output.log("stderr", `${warning}\n`);
    if (answer.usage) output.log("stderr", `${this.#bill(name, answer.usage)}\n`);
    const result: Json =
      answer.output === undefined ? { text: writtenBy(name, answer) } : answer.output;
    return { status: "completed", exit_code: null, result };
  }

  #bill(name: string, usage: ModelUsage): string {
    const usd = this.#models.costOf(usage, name);
    const cost = usd === null ? "price not known" : `${usd.toFixed(6)} USD`;
    return `${name}: ${usage.input_tokens ?? "?"} tokens in, ${usage.output_tokens ?? "?"} out, ${cost}`;
  }
}

/** The text of an answer that came to its end; throws `ModelError` for any other. */
function writtenBy(model: string, { text, finish_reason }: Completion): string {
  if (finish_reason === "refusal" || finish_reason === "content_filter") {
    throw new ModelError(
      "model_refused",
      `The model ${model} refused to answer; change what it is asked, or use another model.`,
    );
  }
  if (finish_reason !== "length") return text;
  throw new ModelError(
    "model_output_invalid",
    "The model's answer was cut at the most tokens that it may write; raise max_output_tokens, or ask for less.",
  );
}

/** Not tried again by itself but by the skill's retry policy, whose `error` it is. */
function failureOfModel(error: unknown): Outcome {
  if (error instanceof ModelError) return failed("error", error.code, error.message);
  return failureOf(error, "the service's logs");
}

export function createModelCaller(models: Models): Caller {
  return new ModelCaller(models);
}
