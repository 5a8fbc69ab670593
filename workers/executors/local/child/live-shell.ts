/**
 * Makes just-bash report output while a script runs. The interpreter hands output over when the
 * whole script ends, so this adds redirections to its syntax tree: every command that writes to the
 * script's own stdout and stderr gets `>>stdout-device 2>>stderr-device` before redirections of its
 * own, and the file system forwards what is appended to the devices.
 *
 * Inside a function, a pipeline, a subshell or a redirected compound command a command's output is
 * not the script's own; it arrives when the enclosing command ends.
 *
 * Each loop body, wherever it is, opens the tick device, which gives the event loop a turn, so that
 * an abort reaches a loop without output.
 */
import type { Bash } from "just-bash/browser";

type Plugin = Parameters<Bash["registerTransformPlugin"]>[0];
type Script = Parameters<Plugin["transform"]>[0]["ast"];
type Statement = Script["statements"][number];
type Pipeline = Statement["pipelines"][number];
type Command = Pipeline["commands"][number];
type Case = Extract<Command, { type: "Case" }>;
type Redirection = Case["redirections"][number];
type Word = Case["word"];

export const STDOUT_DEVICE = "/dev/pipelzr/stdout";
export const STDERR_DEVICE = "/dev/pipelzr/stderr";
export const TICK_DEVICE = "/dev/pipelzr/tick";
/** Far above the descriptors that scripts open by number. */
const TICK_FD = 3999;

const literal = (value: string): Word => ({ type: "Word", parts: [{ type: "Literal", value }] });

const redirection = (fd: number, operator: "<" | ">>", path: string): Redirection => ({
  type: "Redirection",
  fd,
  operator,
  target: literal(path),
});

const TO_STDOUT = redirection(1, ">>", STDOUT_DEVICE);
const TO_STDERR = redirection(2, ">>", STDERR_DEVICE);
const TICK = redirection(TICK_FD, "<", TICK_DEVICE);

function mapCommands(
  statement: Statement,
  change: (command: Command, index: number, pipeline: Pipeline) => Command,
): Statement {
  return {
    ...statement,
    pipelines: statement.pipelines.map((pipeline) => ({
      ...pipeline,
      commands: pipeline.commands.map((command, index) => change(command, index, pipeline)),
    })),
  };
}

type Rewrite = (body: Statement[]) => Statement[];

/** Rewrites the statement lists of a compound command whose output is the script's own. */
function withBodies(command: Command, rewrite: Rewrite): Command {
  switch (command.type) {
    case "If":
      return {
        ...command,
        clauses: command.clauses.map(({ condition, body }) => ({
          condition: rewrite(condition),
          body: rewrite(body),
        })),
        elseBody: command.elseBody === null ? null : rewrite(command.elseBody),
      };
    case "While":
    case "Until":
      return { ...command, condition: rewrite(command.condition), body: rewrite(command.body) };
    case "Case":
      return {
        ...command,
        items: command.items.map((item) => ({ ...item, body: rewrite(item.body) })),
      };
    case "For":
    case "CStyleFor":
    case "Group":
      return { ...command, body: rewrite(command.body) };
    default:
      return command;
  }
}

/** Whether the commands in it write to the script's own streams, each for itself. */
function isTransparent(command: Command): boolean {
  const isCompound = withBodies(command, (body) => body) !== command;
  return isCompound && "redirections" in command && command.redirections.length === 0;
}

function live(statement: Statement): Statement {
  return mapCommands(statement, (command, index, pipeline) => {
    const isLast = index === pipeline.commands.length - 1;
    if (pipeline.commands.length === 1 && isTransparent(command)) {
      return withBodies(command, (body) => body.map(live));
    }
    if (command.type === "FunctionDef") return command;
    // An assignment's exit code is that of its command substitution, which a redirection would hide.
    if (command.type === "SimpleCommand" && command.name === null) return command;
    const keepsStderr = !isLast && pipeline.pipeStderr?.[index] === true;
    return {
      ...command,
      redirections: [
        ...(isLast ? [TO_STDOUT] : []),
        ...(keepsStderr ? [] : [TO_STDERR]),
        ...command.redirections,
      ],
    };
  });
}

/** `case x in x) statement;; esac` with the tick, which runs in the current shell. */
function wrappedInTick(statement: Statement): Statement {
  const command: Case = {
    type: "Case",
    word: literal("x"),
    items: [{ type: "CaseItem", patterns: [literal("x")], body: [statement], terminator: ";;" }],
    redirections: [TICK],
  };
  return {
    type: "Statement",
    operators: [],
    background: false,
    pipelines: [{ type: "Pipeline", negated: false, commands: [command] }],
    ...(statement.line === undefined ? {} : { line: statement.line }),
  };
}

type Loop = Extract<Command, { type: "For" | "CStyleFor" | "While" | "Until" }>;
const LOOPS: ReadonlySet<unknown> = new Set(["For", "CStyleFor", "While", "Until"]);

function isLoop(node: object): node is Loop {
  return "type" in node && LOOPS.has(node.type) && "body" in node && Array.isArray(node.body);
}

/** Lets every loop below `node` tick, in place: also those in the substitutions of words. */
function tickInLoops(node: unknown): void {
  if (typeof node !== "object" || node === null) return;
  for (const child of Object.values(node)) tickInLoops(child);
  if (!isLoop(node)) return;
  const [first, ...rest] = node.body;
  if (first !== undefined) node.body = [wrappedInTick(first), ...rest];
}

/** `exec` may point the shell's own descriptors elsewhere, which added redirections would override. */
function usesExec(script: string): boolean {
  return /\bexec\b/.test(script);
}

/**
 * The plugin for one run of one script; a script that uses `exec` reports its output when it ends.
 * The interpreter applies it to the scripts of child shells as well, whose streams are not ours.
 */
export function liveOutput(script: string): Plugin {
  let isLive = !usesExec(script);
  return {
    name: "live-output",
    transform: ({ ast }) => {
      const statements = isLive ? ast.statements.map(live) : ast.statements;
      isLive = false;
      tickInLoops(statements);
      return { ast: { ...ast, statements } };
    },
  };
}
