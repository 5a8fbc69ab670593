/**
 * The yardstick of pipelines: the same steps as a Cloudflare Workflow, in the same runtime.
 *
 * A step of PIPELZR runs code that its user sent, in an isolate of its own. Workflows run no other
 * code than their own, so that there are two yardsticks: steps that are a function of this Worker,
 * called in place, and steps that run the same code in an isolate, as a service for others has to.
 */
import { WorkflowEntrypoint, type WorkflowEvent, type WorkflowStep } from "cloudflare:workers";
import { Hono } from "hono";

type Shape = "sequential" | "fan_out";

interface Parameters {
  readonly shape: Shape;
  readonly steps: number;
  /** Each step's code runs in an isolate of its own. */
  readonly isolated: boolean;
}

interface Bindings {
  readonly FIBS: Workflow<Parameters>;
  readonly LOADER: WorkerLoader;
}

const CHILD = `const fib = (n) => (n < 2 ? n : fib(n - 1) + fib(n - 2));
export default { fetch: () => Response.json(fib(10)) };`;

function childOf({ LOADER }: Bindings): Fetcher {
  return LOADER.get("fib", () => ({
    compatibilityDate: "2026-11-01",
    mainModule: "main.js",
    modules: { "main.js": CHILD },
    env: {},
    globalOutbound: null,
  })).getEntrypoint();
}

const fib = (n: number): number => (n < 2 ? n : fib(n - 1) + fib(n - 2));

export class Fibs extends WorkflowEntrypoint<Bindings, Parameters> {
  override async run({ payload }: WorkflowEvent<Parameters>, step: WorkflowStep): Promise<number> {
    const call = async (): Promise<number> =>
      payload.isolated ? (await childOf(this.env).fetch("http://child/")).json() : fib(10);
    const runStep = (index: number) => step.do(`step-${index}`, call);
    const indexes = Array.from({ length: payload.steps }, (_, index) => index);
    if (payload.shape === "fan_out") return (await Promise.all(indexes.map(runStep))).length;
    let finished = 0;
    for (const index of indexes) {
      await runStep(index);
      finished += 1;
    }
    return finished;
  }
}

/**
 * Creates an instance and answers when it has ended. A subscription is told of the end as it comes;
 * polling `status()` would cost the instance more the more steps it has, since it reads them all.
 */
async function runToEnd(workflow: Bindings["FIBS"], params: Parameters): Promise<unknown> {
  const instance = await workflow.create({ params });
  using events = await instance.subscribe({
    filter: ["workflow_completed", "workflow_errored", "workflow_terminated"],
  });
  const { value } = await events.next();
  return value;
}

export default new Hono<{ Bindings: Bindings }>().post("/:shape/:steps", async (c) => {
  const shape = c.req.param("shape") === "fan_out" ? "fan_out" : "sequential";
  const steps = Number(c.req.param("steps"));
  const isolated = c.req.query("isolated") !== undefined;
  return c.json({ event: await runToEnd(c.env.FIBS, { shape, steps, isolated }) });
});
