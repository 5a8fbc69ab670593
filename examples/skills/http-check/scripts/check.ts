interface Inputs {
  readonly url: string;
  readonly method?: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Those that are as they should be; below 400 unless said. */
  readonly status?: number | readonly number[];
  readonly contains?: string;
  readonly max_latency_ms?: number;
  readonly timeout_seconds?: number;
  readonly follow?: boolean;
}

const DEFAULT_TIMEOUT_SECONDS = 10;
const MAX_BODY_BYTES = 1024 * 1024;

interface Answer {
  readonly status: number;
  readonly latency_ms: number;
  readonly headers: Record<string, string>;
  readonly final_url: string;
  readonly text: string;
}

export default async function check(inputs: Inputs) {
  const { url } = inputs;
  const { answer, error } = await ask(inputs);
  const problems = answer === null ? [error] : problemsOf(answer, inputs);
  return {
    url,
    up: problems.length === 0,
    problems,
    status: answer?.status ?? null,
    latency_ms: answer?.latency_ms ?? null,
    final_url: answer?.final_url ?? null,
    location: answer?.headers.location ?? null,
    headers: answer?.headers ?? {},
  };
}

async function ask({
  url,
  method = "GET",
  headers = {},
  follow = false,
  contains,
  timeout_seconds = DEFAULT_TIMEOUT_SECONDS,
}: Inputs): Promise<{ answer: Answer; error: null } | { answer: null; error: string }> {
  const began = Date.now();
  try {
    const response = await fetch(url, {
      ...{ method, headers, redirect: follow ? "follow" : "manual" },
      signal: AbortSignal.timeout(timeout_seconds * 1_000),
    });
    const latency_ms = Date.now() - began;
    const text = contains === undefined ? "" : await beginningOf(response);
    await response.body?.cancel().catch(() => undefined);
    const answer = {
      ...{ status: response.status, latency_ms, text },
      headers: Object.fromEntries(response.headers),
      final_url: response.url || url,
    };
    return { answer, error: null };
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError";
    const why = error instanceof Error ? error.message : String(error);
    return { answer: null, error: isLate ? `No answer within ${timeout_seconds} s.` : why };
  }
}

async function beginningOf(response: Response): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  const reader = response.body?.getReader();
  while (reader && bytes < MAX_BODY_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    text += decoder.decode(value, { stream: true });
  }
  reader?.releaseLock();
  return text;
}

function problemsOf({ status, latency_ms, text }: Answer, inputs: Inputs): string[] {
  const { status: expected, contains, max_latency_ms } = inputs;
  const allowed = expected === undefined ? null : [expected].flat();
  const isFine = allowed === null ? status < 400 : allowed.includes(status);
  const wanted = allowed === null ? "one below 400" : allowed.join(" or ");
  return [
    ...(isFine ? [] : [`The status is ${status}, not ${wanted}.`]),
    ...(contains === undefined || text.includes(contains) ? [] : ["The text is not in the body."]),
    ...(max_latency_ms === undefined || latency_ms <= max_latency_ms
      ? []
      : [`It took ${latency_ms} ms, more than ${max_latency_ms}.`]),
  ];
}
