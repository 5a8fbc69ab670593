/**
 * A fake of IDEALZR on one port of this machine: hypotheses, and evidence that moves their confidence.
 * It asks for no credentials, takes the same evidence twice, answers lists whole, and does not show
 * `extra_data` of what it lists, as the service does. A transition of a hypothesis is 500, and so is
 * evidence of a type that there is not. Not there: ideas' actions, goals, ventures, forecasts, memory.
 */
import { randomUUID } from "node:crypto";
import { z } from "zod";
import {
  type Answer,
  type Asked,
  detail,
  type FakeService,
  startFakeService,
  unprocessable,
} from "../platform/service.ts";

const TYPES: readonly string[] = [
  ...["data", "research", "interview", "experiment", "observation", "document", "expert"],
  "anecdote",
];
/** By strength, how far evidence that does not say so moves a hypothesis. */
const IMPACTS: ReadonlyMap<string, number> = new Map([
  ["weak", 0.05],
  ["moderate", 0.1],
  ["strong", 0.15],
  ["definitive", 0.25],
]);

const evidenceSchema = z.object({
  title: z.string(),
  description: z.string(),
  hypothesis_id: z.string().nullish(),
  project_id: z.string().nullish(),
  evidence_type: z.string().default("data"),
  strength: z.string().default("moderate"),
  supports_hypothesis: z.boolean().default(true),
  confidence_impact: z.number().default(0),
  source: z.string().nullish(),
  source_url: z.string().nullish(),
  data_value: z.number().nullish(),
  data_unit: z.string().nullish(),
  data_context: z.string().nullish(),
  submitted_by: z.string().nullish(),
  tags: z.array(z.string()).default([]),
  extra_data: z.record(z.string(), z.unknown()).default({}),
});
export type Evidence = z.output<typeof evidenceSchema> & { readonly id: string };

const hypothesisSchema = z.object({
  title: z.string(),
  statement: z.string(),
  initial_confidence: z.number().default(0.5),
});

export interface Hypothesis {
  readonly id: string;
  readonly title: string;
  current_confidence: number;
  evidence_count: number;
}

export interface FakeIdealzr extends FakeService {
  readonly evidence: readonly Evidence[];
  readonly hypotheses: ReadonlyMap<string, Hypothesis>;
  /** Adds a hypothesis of confidence 0.5; returns its id. */
  hypothesis(title: string): string;
}

class Idealzr {
  readonly evidence: Evidence[] = [];
  readonly hypotheses = new Map<string, Hypothesis>();

  reset(): void {
    this.evidence.length = 0;
    this.hypotheses.clear();
  }

  propose({ body }: Asked): Answer {
    const sent = hypothesisSchema.safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    return { status: 201, body: this.add(sent.data.title, sent.data.initial_confidence) };
  }

  add(title: string, current_confidence = 0.5): Hypothesis {
    const hypothesis = { id: randomUUID(), title, current_confidence, evidence_count: 0 };
    this.hypotheses.set(hypothesis.id, hypothesis);
    return hypothesis;
  }

  collect({ body }: Asked): Answer {
    const sent = evidenceSchema.safeParse(body);
    if (!sent.success) return unprocessable(sent.error);
    const { evidence_type, strength, hypothesis_id, confidence_impact } = sent.data;
    if (!TYPES.includes(evidence_type) || !IMPACTS.has(strength)) {
      return detail(500, "Internal Server Error");
    }
    const made = { id: randomUUID(), ...sent.data };
    this.evidence.push(made);
    const hypothesis = this.hypotheses.get(hypothesis_id ?? "");
    if (hypothesis !== undefined) {
      // The sign counts for nothing: the direction is that of supports_hypothesis.
      const impact = confidence_impact === 0 ? IMPACTS.get(strength) : Math.abs(confidence_impact);
      const direction = sent.data.supports_hypothesis ? 1 : -1;
      const moved = hypothesis.current_confidence + direction * (impact ?? 0);
      hypothesis.current_confidence = Math.min(1, Math.max(0, moved));
      hypothesis.evidence_count += 1;
    }
    return { status: 201, body: shown(made) };
  }

  list({ query }: Asked): Answer {
    const found = this.evidence.filter((each) =>
      (["hypothesis_id", "project_id", "evidence_type"] as const).every(
        (name) => query.get(name) === null || query.get(name) === each[name],
      ),
    );
    return { status: 200, body: found.toReversed().map(shown) };
  }
}

function shown({ extra_data: _, data_value: __, ...evidence }: Evidence): object {
  return evidence;
}

/** Starts a fake and resolves once it listens. */
export async function startFakeIdealzr(
  options: { readonly port?: number } = {},
): Promise<FakeIdealzr> {
  const service = new Idealzr();
  const server = await startFakeService({
    ...options,
    reset: () => service.reset(),
    routes: {
      "GET /health": () => ({ status: 200, body: { status: "healthy" } }),
      "POST /api/v1/hypotheses": (asked) => service.propose(asked),
      "GET /api/v1/hypotheses/{id}": ({ parameters: [id = ""] }) => {
        const found = service.hypotheses.get(id);
        return found === undefined
          ? detail(404, "Hypothesis not found")
          : { status: 200, body: found };
      },
      "POST /api/v1/hypotheses/{id}/transition": () => detail(500, "Internal Server Error"),
      "GET /api/v1/evidence": (asked) => service.list(asked),
      "POST /api/v1/evidence": (asked) => service.collect(asked),
    },
  });
  return {
    ...server,
    evidence: service.evidence,
    hypotheses: service.hypotheses,
    hypothesis: (title) => service.add(title).id,
  };
}
