/** Formulas over trigrams: what a text must contain so that it can match. */

/** `any` holds for every text, `none` for no text. */
export type Formula =
  | { readonly kind: "any" }
  | { readonly kind: "none" }
  | { readonly kind: "trigram"; readonly trigram: string }
  | { readonly kind: "and" | "or"; readonly operands: readonly Formula[] };

export const ANY: Formula = { kind: "any" };
export const NONE: Formula = { kind: "none" };

/** A conjunction keeps this many trigrams; more make the index read more and hardly fewer files. */
const MAX_CONJUNCTS = 16;
/** A disjunction of more trigrams than this says too little to be worth reading. */
const MAX_DISJUNCTION_TRIGRAMS = 192;
const MAX_COMPARED_BRANCHES = 40;
/** FTS5's parser of expressions has a stack of 100; alternating levels need few of them. */
const MAX_LEVELS = 10;

export function allOf(formulas: readonly Formula[]): Formula {
  return join("and", formulas, ANY, NONE);
}

export function anyOf(formulas: readonly Formula[]): Formula {
  return join("or", formulas, NONE, ANY);
}

/** Flattens, drops what says nothing, keeps each operand once. */
function join(
  kind: "and" | "or",
  formulas: readonly Formula[],
  neutral: Formula,
  absorbing: Formula,
): Formula {
  const operands = new Map<string, Formula>();
  for (const formula of formulas) {
    if (formula.kind === absorbing.kind) return absorbing;
    if (formula.kind === neutral.kind) continue;
    const flat = formula.kind === kind ? formula.operands : [formula];
    for (const operand of flat) operands.set(expressionOf(operand), operand);
  }
  const kept = kind === "or" ? withoutImplied([...operands.values()]) : operands.values();
  const [first, ...rest] = kept;
  if (first === undefined) return neutral;
  return rest.length === 0 ? first : { kind, operands: [first, ...rest] };
}

/** Branches of a disjunction that do not ask for all of another branch and more. */
function withoutImplied(branches: readonly Formula[]): Formula[] {
  if (branches.length > MAX_COMPARED_BRANCHES) return [...branches];
  const demands = branches.map(
    (branch) => new Set((branch.kind === "and" ? branch.operands : [branch]).map(expressionOf)),
  );
  return branches.filter(
    (_, index) =>
      !demands.some((other) => {
        const own = demands[index];
        return (
          own !== undefined && other.size < own.size && [...other].every((each) => own.has(each))
        );
      }),
  );
}

/** A weaker formula within the limits of an index query. */
export function bounded(formula: Formula, levels = MAX_LEVELS): Formula {
  if (formula.kind !== "and" && formula.kind !== "or") return formula;
  if (levels === 0) return ANY;
  const operands = formula.operands.map((operand) => bounded(operand, levels - 1));
  if (formula.kind === "or") {
    const joined = anyOf(operands);
    return trigramsIn(joined) > MAX_DISJUNCTION_TRIGRAMS ? ANY : joined;
  }
  // Operands of few trigrams first: they say the most for what they cost.
  const joined = allOf(operands);
  if (joined.kind !== "and") return joined;
  const byCost = joined.operands.toSorted((left, right) => trigramsIn(left) - trigramsIn(right));
  const kept = new Set(spread(byCost, MAX_CONJUNCTS));
  let budget = MAX_DISJUNCTION_TRIGRAMS;
  const affordable = byCost.filter((operand) => {
    if (!kept.has(operand) || trigramsIn(operand) > budget) return false;
    budget -= trigramsIn(operand);
    return true;
  });
  return allOf(joined.operands.filter((operand) => affordable.includes(operand)));
}

/** `count` of the items, from all over the list: neighbours in a text say much the same. */
function spread<Item>(items: readonly Item[], count: number): Item[] {
  if (items.length <= count) return [...items];
  const step = (items.length - 1) / (count - 1);
  return items.filter((_, index) => Math.round(Math.round(index / step) * step) === index);
}

export function trigramsIn(formula: Formula): number {
  if (formula.kind === "trigram") return 1;
  if (formula.kind !== "and" && formula.kind !== "or") return 0;
  return formula.operands.reduce((sum, operand) => sum + trigramsIn(operand), 0);
}

export function* trigramsOfFormula(formula: Formula): Generator<string> {
  if (formula.kind === "trigram") yield formula.trigram;
  if (formula.kind !== "and" && formula.kind !== "or") return;
  for (const operand of formula.operands) yield* trigramsOfFormula(operand);
}

/** Whether a text with these trigrams may match. */
export function holds(formula: Formula, trigrams: ReadonlySet<string>): boolean {
  switch (formula.kind) {
    case "any":
      return true;
    case "none":
      return false;
    case "trigram":
      return trigrams.has(formula.trigram);
    case "and":
      return formula.operands.every((operand) => holds(operand, trigrams));
    case "or":
      return formula.operands.some((operand) => holds(operand, trigrams));
  }
}

/** The formula as FTS5 reads it: single trigrams, since an index with detail=none has no phrases. */
export function expressionOf(formula: Formula): string {
  switch (formula.kind) {
    case "any":
    case "none":
      return "";
    case "trigram":
      return `"${formula.trigram.replaceAll('"', '""')}"`;
    case "and":
    case "or":
      return formula.operands
        .map((operand) => {
          const text = expressionOf(operand);
          return operand.kind === "and" || operand.kind === "or" ? `(${text})` : text;
        })
        .join(formula.kind === "and" ? " AND " : " OR ");
  }
}
