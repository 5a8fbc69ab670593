/**
 * Makes just-bash report output while a script runs. The interpreter hands output over when the
 * whole script ends, so this adds redirections to its syntax tree: every command that writes to the
 * script's own stdout and stderr gets `>>stdout-device 2>>stderr-device` before redirections of its
 * own, and the file system forwards what is appended to the devices.
 *
 * Inside a function, a pipeline, a subshell or a redirected compound command a command's output is
 * not the script's own; it arrives when the enclosing command ends. Each loop body there opens the
 * tick device, which gives the event loop a turn, so that an abort reaches a loop without output.
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

/** Rewrites the statement lists of a compound command; `loop` is for bodies that may run forever. */
function withBodies<T extends Command>(command: T, plain: Rewrite, loop: Rewrite): T;
function withBodies(command: Command, plain: Rewrite, loop: Rewrite): Command {
  switch (command.type) {
    case "If":
      return {
        ...command,
        clauses: command.clauses.map((clause) => ({
          condition: plain(clause.condition),
          body: plain(clause.body),
        })),
        elseBody: command.elseBody === null ? null : plain(command.elseBody),
      };
    case "For":
    case "CStyleFor":
      return { ...command, body: loop(command.body) };
    case "While":
    case "Until":
      return { ...command, condition: plain(command.condition), body: loop(command.body) };
    case "Case":
      return {
        ...command,
        items: command.items.map((item) => ({ ...item, body: plain(item.body) })),
      };
    case "Group":
    case "Subshell":
      return { ...command, body: plain(command.body) };
    case "FunctionDef":
      return { ...command, body: withBodies(command.body, plain, loop) };
    default:
      return command;
  }
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

const firstTicks: Rewrite = ([first, ...rest]) =>
  first === undefined ? [] : [wrappedInTick(first), ...rest];

const quiet = (statement: Statement): Statement => mapCommands(statement, quietCommand);

function quietCommand<T extends Command>(command: T): T {
  const bodies: Rewrite = (body) => body.map(quiet);
  return withBodies(command, bodies, (body) => firstTicks(bodies(body)));
}

/** Whether the commands in it write to the script's own streams, each for itself. */
function isTransparent(command: Command): boolean {
  return (
    command.type !== "SimpleCommand" &&
    command.type !== "Subshell" &&
    command.type !== "FunctionDef" &&
    command.type !== "ArithmeticCommand" &&
    command.type !== "ConditionalCommand" &&
    command.redirections.length === 0
  );
}

function live(statement: Statement): Statement {
  return mapCommands(statement, (command, index, pipeline) => {
    const isLast = index === pipeline.commands.length - 1;
    const isAlone = pipeline.commands.length === 1;
    if (isAlone && isTransparent(command)) {
      const bodies: Rewrite = (body) => body.map(live);
      return withBodies(command, bodies, (body) => firstTicks(bodies(body)));
    }
    const rewritten = quietCommand(command);
    if (rewritten.type === "FunctionDef") return rewritten;
    // An assignment's exit code is that of its command substitution, which a redirection would hide.
    if (rewritten.type === "SimpleCommand" && rewritten.name === null) return rewritten;
    const keepsStderr = !isLast && pipeline.pipeStderr?.[index] === true;
    return {
      ...rewritten,
      redirections: [
        ...(isLast ? [TO_STDOUT] : []),
        ...(keepsStderr ? [] : [TO_STDERR]),
        ...rewritten.redirections,
      ],
    };
  });
}

/** `exec` may point the shell's own descriptors elsewhere, which added redirections would override. */
function usesExec(script: string): boolean {
  return /\bexec\b/.test(script);
}

/** The plugin for one script; a script that uses `exec` reports its output when it ends. */
export function liveOutput(script: string): Plugin {
  const rewrite = usesExec(script) ? quiet : live;
  return {
    name: "live-output",
    transform: ({ ast }) => ({ ast: { ...ast, statements: ast.statements.map(rewrite) } }),
  };
}
