/** What two runs of the demo's pipeline came to, side by side. */
import type { Graph, GraphNode } from "../lib/pipeline-client.ts";
import type { DemoStep } from "./definition.ts";
import { table } from "./display.ts";
import { inTime } from "./words.ts";

function stateOf(node: GraphNode | undefined): string {
  if (!node) return "—";
  const state = node.reused_from === null ? node.state : "reused";
  if (node.items !== null) return `${state}, ${node.items} items`;
  return node.attempt > 1 && state === "completed" ? `${state}, attempt ${node.attempt}` : state;
}

function timeOf(node: GraphNode | undefined): string {
  const isOwn = node && node.reused_from === null && node.duration_ms !== null;
  return (isOwn ? inTime(node.duration_ms ?? 0) : "").padStart("time ms".length);
}

function pathOf(run: number, { critical_path: { steps, duration_ms }, nodes }: Graph): string {
  const chain = steps.map((step) => {
    const took = nodes.find(({ name }) => name === step)?.duration_ms ?? 0;
    return `${step} ${inTime(took)}`;
  });
  return `  Critical path of run ${run}, ${inTime(duration_ms)}: ${chain.join(" → ")}`;
}

export function summarize(steps: readonly DemoStep[], first: Graph, second: Graph): string {
  const rows = steps.map(({ name }) => {
    const [before, after] = [first, second].map(({ nodes }) =>
      nodes.find((node) => node.name === name),
    );
    return [name, stateOf(before), timeOf(before), stateOf(after), timeOf(after)];
  });
  const cells = table(["step", "run 1", "   time", "run 2", "   time"], rows);
  return `\n${cells}\n\n${pathOf(1, first)}\n${pathOf(2, second)}`;
}
