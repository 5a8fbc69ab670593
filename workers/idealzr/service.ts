/** What IDEALZR would be told of a run. */
import type { Config } from "../config.ts";
import { notFound } from "../http/errors.ts";
import type { Json } from "../http/json.ts";
import { couldSee } from "../runs/access.ts";
import { maySee, type Principal } from "../security/principal.ts";
import type { Outcome } from "./evidence.ts";
import { type Subject, toEvidence } from "./mapping.ts";
import type { PreviewEvidence } from "./schemas.ts";
import { EVIDENCE_PATH, type IdealzrOptions } from "./target.ts";

export interface EvidenceDeps {
  readonly config: Pick<Config, "PUBLIC_URL">;
  readonly subject: IdealzrOptions["subject"];
}

export interface EvidencePreview {
  readonly outcome: Outcome | null;
  readonly method: "POST";
  readonly path: string;
  /** Null when nothing is sent. */
  readonly body: Readonly<Record<string, Json>> | null;
  /** Why nothing is sent. */
  readonly reason: string | null;
}

export class EvidenceService {
  readonly #deps: EvidenceDeps;

  constructor(deps: EvidenceDeps) {
    this.#deps = deps;
  }

  /** Throws `not_found`. */
  async preview(
    principal: Principal,
    { kind, id, run = null, outcome: asked = null }: PreviewEvidence,
  ): Promise<EvidencePreview> {
    const subject = couldSee(principal, id) ? await this.#deps.subject(kind, id, run) : null;
    if (subject === null || !maySee(principal, subject.project_id)) throw notFound(kind, id);
    const outcome = asked ?? subject.outcome;
    // Before the first run it is that one which comes to the outcome.
    const shown = kind === "agent" ? subject : { ...subject, run: Math.max(1, subject.run) };
    const evidence = outcome && toEvidence(shown, outcome, this.#deps.config.PUBLIC_URL);
    return {
      ...{ outcome, method: "POST", path: EVIDENCE_PATH },
      body: evidence,
      reason: evidence === null ? reasonOf(subject, outcome) : null,
    };
  }
}

function reasonOf({ kind, evidence }: Subject, outcome: Outcome | null): string {
  if (evidence === null) return `The definition of the ${kind} says nothing of \`evidence\`.`;
  if (outcome === null) {
    return `The ${kind} has not come to an outcome yet. Send the \`outcome\` that you mean.`;
  }
  return `The definition says that an outcome of "${outcome}" is no evidence.`;
}
