/** Counts requests in the isolate and hands them to the Metrics object in the background. */
import { countLostEntries, takeLostEntries } from "../http/audit-append.ts";
import type { AppContext } from "../http/context.ts";
import type { Observation } from "../http/edge.ts";
import { logWarning } from "../http/log.ts";
import { Figures } from "./figures.ts";

/** Figures are at most this old in the Metrics object; that much is lost when the process dies. */
export const FLUSH_MS = 5_000;

interface Recorder {
  readonly figures: Figures;
  flushing: boolean;
}

const recorders = new WeakMap<object, Recorder>();

function recorderOf(env: Env): Recorder {
  const known = recorders.get(env);
  if (known) return known;
  const fresh = { figures: new Figures(), flushing: false };
  recorders.set(env, fresh);
  return fresh;
}

/** The stub of the one object that holds the deployment's figures. */
export function metricsObject(env: Env) {
  return env.METRICS.getByName("deployment");
}

/** Counts a request; the first since the last flush starts the next one. */
export function observe(c: AppContext, { method, route, status, duration_ms }: Observation): void {
  const recorder = recorderOf(c.env);
  recorder.figures.record(method, route, status, duration_ms);
  if (recorder.flushing) return;
  recorder.flushing = true;
  c.executionCtx.waitUntil(flushLater(c.env, recorder));
}

/** Hands over what this isolate counted, now. */
export async function flush(env: Env): Promise<void> {
  const { figures } = recorderOf(env);
  const taken = figures.take();
  const lost = takeLostEntries(env);
  if (taken.length === 0 && lost === 0) return;
  try {
    await metricsObject(env).add(taken, lost);
  } catch (error) {
    figures.restore(taken);
    countLostEntries(env, lost);
    logWarning("metrics_not_flushed", error);
  }
}

async function flushLater(env: Env, recorder: Recorder): Promise<void> {
  try {
    await scheduler.wait(FLUSH_MS);
  } finally {
    recorder.flushing = false;
  }
  await flush(env);
}
