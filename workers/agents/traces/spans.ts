/** A turn as spans: of the turn itself, of each step of a model, and of each call of a tool. */
import type { Json } from "../../http/json.ts";
import type { RequestTrace } from "../../http/trace.ts";
import { contentDigest } from "../../security/hash.ts";
import type { LedgerRow, SessionEventRow } from "../session-port.ts";
import { ATTRIBUTES as A, OPERATIONS, providerOf } from "./conventions.ts";

/** What there is to tell of a turn. */
export interface TurnRecord {
  readonly agent: {
    readonly id: string;
    readonly name: string;
    readonly description: string | null;
    readonly max_tokens: number;
    readonly temperature: number | null;
  };
  readonly number: number;
  /** Of the request that began it; null for none. */
  readonly trace: RequestTrace | null;
  /** Its events, oldest first, without what was written piece by piece. */
  readonly events: readonly SessionEventRow[];
  readonly ledger: readonly LedgerRow[];
}

export type SpanValue = string | number | boolean | readonly string[];

export interface Span {
  /** 32 hex digits. */
  readonly trace_id: string;
  /** 16 hex digits. */
  readonly span_id: string;
  /** Null for one that nothing is above. */
  readonly parent_id: string | null;
  readonly name: string;
  readonly kind: "internal" | "client";
  /** ms since 1970; null for what has not ended. */
  readonly started_at: number;
  readonly ended_at: number | null;
  readonly attributes: Readonly<Record<string, SpanValue>>;
  /** What went wrong; null for nothing. */
  readonly error: string | null;
}

export interface SpanContext {
  readonly trace_id: string;
  readonly span_id: string;
}

interface Data {
  readonly [name: string]: Json | undefined;
}

/** A turn's own span: its id is always the same, so that whoever is below it can name it before it is told. */
export function turnContext(
  session: string,
  turn: number,
  trace: RequestTrace | null,
): SpanContext & { readonly parent_id: string | null } {
  const [, trace_id = null, parent_id = null] = trace?.traceparent?.split("-") ?? [];
  return {
    trace_id: trace_id ?? idOf(`${session}/${turn}`, 32),
    span_id: idOf(`${session}/${turn}/turn`, 16),
    parent_id,
  };
}

/** The trace context of what a call of a tool leads to. */
export function callTrace(
  session: string,
  ref: { readonly turn: number; readonly step: number; readonly call: string },
  trace: RequestTrace | null,
): RequestTrace {
  const { trace_id } = turnContext(session, ref.turn, trace);
  return {
    correlation_id: trace?.correlation_id ?? session,
    traceparent: `00-${trace_id}-${callSpanId(session, ref)}-01`,
    tracestate: trace?.tracestate ?? null,
  };
}

/** `withContent` tells what was said, too. */
export function spansOf(record: TurnRecord, withContent: boolean): Span[] {
  const { agent, number: turn, trace } = record;
  const above = turnContext(agent.id, turn, trace);
  const events = record.events.map(({ data, ...event }) => ({ ...event, data: dataOf(data) }));
  const ofType = (type: string) => events.filter((event) => event.type === type);
  const ended = ofType("turn.ended").at(-1);
  const started = ofType("turn.started").at(0) ?? events.at(0);
  if (started === undefined) return [];
  const reason = text(ended?.data.stop_reason);
  const input = withContent ? ofType("message.queued").at(-1)?.data.content : undefined;
  const model = record.ledger.at(-1)?.model;
  const root: Span = {
    ...above,
    name: `${OPERATIONS.agent} ${agent.name}`,
    kind: "internal",
    started_at: started.at,
    ended_at: ended?.at ?? null,
    attributes: known({
      [A.operation]: OPERATIONS.agent,
      [A.provider]: model === undefined ? undefined : providerOf(model),
      [A.request_model]: model,
      [A.agent_name]: agent.name,
      [A.agent_description]: agent.description ?? undefined,
      [A.conversation]: agent.id,
      [A.turn]: turn,
      [A.stop_reason]: reason,
      [A.error]: isFailure(reason) ? reason : undefined,
      [A.input_messages]: input === undefined ? undefined : messagesText("user", input),
    }),
    error: isFailure(reason) ? (errorOf(ended?.data) ?? reason ?? null) : null,
  };
  const below = { trace_id: above.trace_id, parent_id: above.span_id };
  return [
    root,
    ...stepSpans(record, events, below, withContent),
    ...callSpans(record, events, below, withContent),
  ];
}

interface ReadEvent extends Omit<SessionEventRow, "data"> {
  readonly data: Data;
}

type Below = Pick<Span, "trace_id" | "parent_id">;

function stepSpans(
  { agent, ledger, number: turn }: TurnRecord,
  events: readonly ReadEvent[],
  below: Below,
  withContent: boolean,
): Span[] {
  return events
    .filter(({ type }) => type === "step.started")
    .map((started): Span => {
      const { epoch, step, attempt, kind } = started.data;
      const ends = ["step.finished", "step.failed", "step.stopped"];
      const end = events.find(({ type, data }) => ends.includes(type) && data.epoch === epoch);
      const paid = ledger.find((row) => row.step === step && row.attempt === attempt);
      const model = paid?.model;
      const failure = end?.type === "step.failed" ? errorCode(end.data) : undefined;
      const reply =
        withContent && end?.type === "step.finished"
          ? events.find(({ type, data }) => type === "message.completed" && data.step === step)
          : undefined;
      return {
        ...below,
        span_id: idOf(`${agent.id}/${turn}/step/${epoch}`, 16),
        name: model === undefined ? OPERATIONS.model : `${OPERATIONS.model} ${model}`,
        kind: "client",
        started_at: started.at,
        ended_at: end?.at ?? null,
        attributes: known({
          [A.operation]: OPERATIONS.model,
          [A.provider]: model === undefined ? "pipelzr" : providerOf(model),
          [A.request_model]: model,
          [A.conversation]: agent.id,
          [A.agent_name]: agent.name,
          [A.max_tokens]: agent.max_tokens,
          [A.temperature]: agent.temperature ?? undefined,
          [A.stream]: true,
          [A.finish_reasons]: end?.data.finish_reason
            ? [text(end.data.finish_reason) ?? ""]
            : undefined,
          [A.input_tokens]: paid?.input_tokens ?? undefined,
          [A.output_tokens]: paid?.output_tokens ?? undefined,
          [A.cached_input_tokens]: paid?.cached_input_tokens ?? undefined,
          [A.usd]: paid?.usd ?? undefined,
          [A.step]: number(step),
          [A.step_attempt]: number(attempt),
          [A.is_compaction]: kind === "compaction" ? true : undefined,
          [A.error]: failure,
          [A.output_messages]:
            reply?.data.content === undefined
              ? undefined
              : messagesText("assistant", reply.data.content),
        }),
        error: end?.type === "step.failed" ? (errorOf(end.data) ?? "failed") : null,
      };
    });
}

function callSpans(
  { agent, number: turn }: TurnRecord,
  events: readonly ReadEvent[],
  below: Below,
  withContent: boolean,
): Span[] {
  return events
    .filter(({ type }) => type === "tool.called")
    .map((called): Span => {
      const { step, call, name } = called.data;
      const isSame = ({ data }: ReadEvent) => data.step === step && data.call === call;
      const first = events.find((event) => event.type === "tool.started" && isSame(event));
      const end = events.find((event) => event.type === "tool.finished" && isSame(event));
      const outcome = text(end?.data.outcome);
      const isError = outcome !== undefined && outcome !== "succeeded" && outcome !== "answered";
      const ref = { turn, step: number(step) ?? 0, call: text(call) ?? "" };
      return {
        ...below,
        span_id: callSpanId(agent.id, ref),
        name: `${OPERATIONS.tool} ${text(name) ?? ""}`,
        kind: "internal",
        started_at: (first ?? called).at,
        ended_at: end?.at ?? null,
        attributes: known({
          [A.operation]: OPERATIONS.tool,
          [A.conversation]: agent.id,
          [A.agent_name]: agent.name,
          [A.tool_name]: text(name),
          [A.tool_call]: text(call),
          [A.tool_type]: "function",
          [A.step]: number(step),
          [A.outcome]: outcome,
          [A.error]: isError ? outcome : undefined,
          [A.tool_result]:
            withContent && end?.data.output !== undefined
              ? JSON.stringify(end.data.output)
              : undefined,
        }),
        error: isError ? outcome : null,
      };
    });
}

function callSpanId(
  session: string,
  { turn, step, call }: { readonly turn: number; readonly step: number; readonly call: string },
): string {
  return idOf(`${session}/${turn}/call/${step}/${call}`, 16);
}

/** Derived, so that what is told twice is the same. */
function idOf(what: string, digits: number): string {
  return contentDigest(Buffer.from(what)).slice(0, digits);
}

function isFailure(reason: string | undefined): boolean {
  return reason === "error" || reason === "timeout" || reason === "max_steps";
}

/** The stored content of a message, as the conventions have messages. */
function messagesText(role: string, content: Json): string {
  const parts = Array.isArray(content) ? content : [content];
  return JSON.stringify([{ role, parts: parts.map(toPart) }]);
}

function toPart(part: Json): Json {
  if (typeof part !== "object" || part === null || !("type" in part)) {
    return { type: "text", content: part };
  }
  const { type, text: content, id = null, name = null, input = null } = part;
  if (type === "text") return { type, content: content ?? "" };
  if (type === "tool_call") return { type, id, name, arguments: input };
  return part;
}

function dataOf(json: string): Data {
  const data: Data = JSON.parse(json);
  return data;
}

function errorOf(data: Data | undefined): string | null {
  const error = data?.error;
  if (typeof error !== "object" || error === null || !("message" in error)) return null;
  return text(error.message) ?? null;
}

function errorCode(data: Data): string {
  const { error } = data;
  const code = typeof error === "object" && error !== null && "code" in error ? error.code : null;
  return text(code) ?? "_OTHER";
}

function text(value: Json | undefined): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function number(value: Json | undefined): number | undefined {
  return typeof value === "number" ? value : undefined;
}

function known(
  attributes: Readonly<Record<string, SpanValue | undefined>>,
): Readonly<Record<string, SpanValue>> {
  const found: Record<string, SpanValue> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined) found[name] = value;
  }
  return found;
}
