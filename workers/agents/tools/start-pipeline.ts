import { z } from "zod";
import { ApiError } from "../../http/errors.ts";
import type { Json } from "../../http/json.ts";
import { FIRST_PAGE, type Page } from "../../http/page.ts";
import type { FoundPipeline } from "../../pipelines/service.ts";
import { isResourceId } from "../../runs/address.ts";
import { freeObject } from "../../tasks/fields.ts";
import type { ToolResult } from "../tool-port.ts";
import { seedOf, untilOver } from "./attached.ts";
import { failure, success } from "./results.ts";
import { ATTACHES, defineTool, type ToolSession } from "./tool.ts";

const TWO: Page = { ...FIRST_PAGE, limit: 2 };

export const startPipeline = defineTool({
  name: "start_pipeline",
  description: "Runs a pipeline of the project to its end, and answers with its outputs.",
  scopes: ["pipelines:execute"],
  ...ATTACHES,
  input: z.strictObject({
    pipeline: z.string().min(1).max(255).describe("Its id, or its name."),
    inputs: freeObject.default({}).describe("As the pipeline's inputs say."),
  }),
  async run(session, { pipeline, inputs }) {
    const { principal, signal, deps } = session;
    const { pipelineRuns } = deps.services;
    const id = await idOf(session, pipeline);
    const seed = seedOf(session);
    /** Other runs may begin meanwhile: this one is the one that is stopped. */
    let run: number | null = null;
    const found = await untilOver<FoundPipeline>(
      {
        async begin(wait_ms) {
          const begun = await pipelineRuns.start(principal, id, seed, {
            ...{ trigger: "execute", inputs, wait_ms },
          });
          run = begun.snapshot.run?.run ?? null;
          return begun;
        },
        find: null,
        isOver: ({ snapshot }) => snapshot.run?.completed_at != null,
        cancel: () => pipelineRuns.cancel(principal, { id, run }),
      },
      signal,
    );
    return found === null ? failure("The run was stopped.") : toResult(found);
  },
});

async function idOf({ principal, project_id, deps }: ToolSession, named: string): Promise<string> {
  if (isResourceId(named)) return named;
  const rows = await deps.services.pipelines.list(
    principal,
    {
      ...{ project_id, name: named, states: null, pipeline_type: null },
      ...{ triggered_by: null, labels: [] },
    },
    TWO,
  );
  const [only, ...others] = rows;
  if (only !== undefined && others.length === 0) return only.id;
  throw new ApiError(
    only === undefined ? "not_found" : "validation_failed",
    only === undefined
      ? `The project has no pipeline called "${named}". Give the id or the name of one that it has.`
      : `Several pipelines are called "${named}": ${rows.map(({ id }) => id).join(", ")}… Give an id.`,
  );
}

function toResult({ snapshot, outputs }: FoundPipeline): ToolResult {
  const { resource, run } = snapshot;
  const about: Json = { pipeline_id: resource.id, run: run?.run ?? 0, state: run?.status ?? null };
  if (run?.status === "completed") return success({ ...about, outputs });
  return failure({ ...about, error: run?.error?.message ?? null });
}
