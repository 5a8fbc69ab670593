/** Whether the expressions of a definition can be read, and refer to what is there when they are asked. */
import type { Issue } from "../http/errors.ts";
import { nearestName } from "../http/suggest.ts";
import { STATUS_FUNCTIONS } from "../runs/expressions-functions.ts";
import { unknownInput, unknownMember } from "../runs/expressions-members.ts";
import type { Reference } from "../runs/expressions-parse.ts";
import { parseCondition, parseTemplate } from "../runs/expressions-template.ts";
import { secretOf } from "../tasks/rules.ts";
import type { StepGraph } from "./check-graph.ts";
import { matrixNames } from "./check-matrix.ts";
import type { StepDefinition } from "./definition-schema.ts";
import { type Draft, stepPath, under } from "./draft.ts";
import { type Place, pipelinePlaces, stepPlaces } from "./places.ts";

const TASK_MEMBERS = ["state", "result", "results", "exit_code", "error"];
const RUN_MEMBERS = ["id", "number", "attempt", "pipeline", "project_id"];
/** What looks like an expression of ours in source text, which is passed as it is written. */
const IN_SCRIPT = /\$\{\{\s*(?:inputs|tasks|matrix|env|secrets|run)\s*[.[]/;

export function expressionIssues(draft: Draft, graph: StepGraph): Issue[] {
  const pipeline = new PlaceChecker(draft, graph, null);
  const issues = pipelinePlaces(draft.shell).flatMap((place) => pipeline.check(place));
  draft.steps.forEach(({ step }, index) => {
    if (step === null) return;
    const checker = new PlaceChecker(draft, graph, { index, step });
    const found = stepPlaces(step).flatMap((place) => checker.check(place));
    if (step.script && IN_SCRIPT.test(step.script)) {
      const message =
        "A script is passed as it is written: hand the value over by inputs or environment, and read it there.";
      found.push({ path: "script", message });
    }
    issues.push(...under(stepPath(index), found));
  });
  return issues;
}

interface Subject {
  readonly index: number;
  readonly step: StepDefinition;
}

/** Checks the places of one step, or of the pipeline itself. */
class PlaceChecker {
  readonly #draft: Draft;
  readonly #graph: StepGraph;
  readonly #subject: Subject | null;

  constructor(draft: Draft, graph: StepGraph, subject: Subject | null) {
    this.#draft = draft;
    this.#graph = graph;
    this.#subject = subject;
  }

  check(place: Place): Issue[] {
    const { path, text, site } = place;
    const template = site.condition ? parseCondition(text) : parseTemplate(text);
    const issues: Issue[] = [];
    const report = (message: string, offset: number) => {
      issues.push({ path, message: `${message} (At character ${offset + 1}.)` });
    };
    for (const { message, offset } of template.problems) report(message, offset);
    for (const part of template.parts) {
      if (typeof part === "string") continue;
      const { expression, offset } = part;
      for (const reference of expression.references) {
        const message = this.#problemWith(reference, place);
        if (message !== null) report(message, offset + reference.offset);
      }
      if (expression.calls_status && !site.condition) {
        const called = STATUS_FUNCTIONS.find(({ name }) => expression.functions.has(name));
        report(`${called?.name}() can only be asked in if.`, offset);
      }
    }
    return issues;
  }

  #problemWith(reference: Reference, place: Place): string | null {
    const { context } = reference;
    if (context === "secrets") {
      return "A secret is legal only as a whole environment value, such as TOKEN: ${{ secrets.TOKEN }}; pass it there, and read the variable in the code.";
    }
    if (!place.site.contexts.has(context)) return this.#notHere(context, place);
    switch (context) {
      case "tasks":
        return this.#taskProblem(reference);
      case "env":
        return this.#variableProblem(reference, place);
      case "run":
        return unknownMember(reference, RUN_MEMBERS, "run");
      case "matrix":
        return this.#matrixProblem(reference);
      case "inputs":
        return unknownInput(reference, this.#draft.shell.inputs ?? null);
    }
  }

  #notHere(context: string, { site }: Place): string {
    if (context === "matrix" && this.#subject !== null) {
      return "The values of the matrix are not known here: this is asked once, before there are items.";
    }
    return `${context} is not known here; use ${[...site.contexts].join(", ")}.`;
  }

  #taskProblem({ segments }: Reference): string | null {
    const [task, member] = segments;
    if (task?.kind === "computed") {
      return "Name the task itself, as in tasks.NAME, so that it is known what has to come first.";
    }
    const isKnown = member?.kind !== "name" || TASK_MEMBERS.includes(member.name.toLowerCase());
    if (!isKnown) return `A task has no "${member.name}"; use one of: ${TASK_MEMBERS.join(", ")}.`;
    if (task?.kind !== "name") return null;
    const index = this.#graph.find(task.name);
    if (index === undefined) return this.#graph.unknownMessage(task.name);
    const name = this.#draft.steps[index]?.name ?? task.name;
    if (index === this.#subject?.index) return "A task cannot refer to itself.";
    if (this.#subject !== null && !this.#graph.isUpstream(index, this.#subject.index)) {
      return `"${name}" may not have ended when this is asked; add it to needs.`;
    }
    const step = this.#draft.steps[index]?.step;
    if (!step || member?.kind !== "name") return null;
    const wanted = member.name.toLowerCase();
    if (step.strategy && wanted === "result") {
      return `"${name}" has a matrix, and so a result for each item; use tasks.${name}.results.`;
    }
    if (!step.strategy && wanted === "results") {
      return `"${name}" has no matrix, and so one result; use tasks.${name}.result.`;
    }
    return null;
  }

  #variableProblem({ segments }: Reference, { site }: Place): string | null {
    const [segment] = segments;
    if (segment?.kind !== "name") return null;
    const own = site.own_environment ? this.#subject?.step.environment : null;
    const known = { ...this.#draft.shell.environment, ...own };
    const wanted = segment.name.toLowerCase();
    const name = Object.hasOwn(known, segment.name)
      ? segment.name
      : Object.keys(known).find((each) => each.toLowerCase() === wanted);
    if (name === undefined) {
      const meant = nearestName(segment.name, Object.keys(known));
      const remedy = meant === null ? "Add it to environment." : `Did you mean ${meant}?`;
      return `No environment variable "${segment.name}" is set here. ${remedy}`;
    }
    if (secretOf(known[name] ?? "") === null) return null;
    return `"${name}" holds a secret, which expressions cannot read; read the variable in the code.`;
  }

  #matrixProblem(reference: Reference): string | null {
    const strategy = this.#subject?.step.strategy;
    if (!strategy) return "Only a task with strategy.matrix has values of a matrix.";
    const names = matrixNames(strategy.matrix);
    return names === null ? null : unknownMember(reference, names, "the matrix");
  }
}
