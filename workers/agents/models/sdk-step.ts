/** Runs one step on a model of a provider package. */
import type { LanguageModelV4, LanguageModelV4CallOptions } from "@ai-sdk/provider";
import { Attempt } from "./attempt.ts";
import { modelErrorOf, streamCut, type Target } from "./failures.ts";
import type { ModelEvent } from "./port.ts";
import { StepEvents } from "./step-events.ts";

/** Makes the model for one call, which goes out by `fetch`. */
export type ModelFactory = (fetch: typeof globalThis.fetch) => LanguageModelV4;

/** Throws `ModelError` alone. The call ends with the iteration, however that ends. */
export async function* runStep(
  target: Target,
  create: ModelFactory,
  options: LanguageModelV4CallOptions,
  { signal, stall_ms }: { readonly signal: AbortSignal; readonly stall_ms: number },
): AsyncGenerator<ModelEvent, void, void> {
  const attempt = new Attempt(signal, target.endpoint, stall_ms);
  const events = new StepEvents(target);
  try {
    const model = create(attempt.fetch);
    const { stream } = await attempt.wait(
      model.doStream({ ...options, abortSignal: attempt.signal }),
    );
    const reader = stream.getReader();
    for (;;) {
      const { done, value } = await attempt.wait(reader.read());
      if (done) throw streamCut(target);
      for (const event of events.of(value)) yield event;
      if (value.type === "finish") return;
    }
  } catch (error) {
    throw modelErrorOf(error, target);
  } finally {
    attempt.close();
  }
}
