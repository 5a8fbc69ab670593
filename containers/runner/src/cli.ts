/** Reads the command line and the environment into settings. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import {
  labelProblem,
  MAX_LABELS,
  RUNNER_LABEL,
} from "../../../workers/executors/runner/protocol.ts";
import { DEFAULT_IMAGE } from "./dagger/places.ts";
import { FatalError } from "./errors.ts";
import { OPTIONS, type Option, type OptionName, variableOf } from "./options.ts";
import { defaultStateFolder } from "./state-folder.ts";
import { DEFAULT_TASK_PATH } from "./subprocess/backend.ts";
import { ISOLATION_CHOICES } from "./subprocess/isolation.ts";
import { DEFAULT_LIMITS } from "./subprocess/limits.ts";
import { TRANSPORT_MODES } from "./transport/choice.ts";
import { DEFAULT_TREE_CACHE_MIB } from "./tree-cache.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const whole = (from: number, to: number, standard: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/, "must be a whole number")
    .transform(Number)
    .pipe(z.number().min(from, `must be ${from} or more`).max(to, `must be ${to} or less`))
    .default(standard);

const choice = <const T extends readonly string[]>(values: T, standard: T[number]) =>
  z.enum(values, `must be one of ${values.join(", ")}`).default(standard);

const schema = z.object({
  url: z
    .url({ protocol: /^https?$/, error: "must be an address such as https://pipelzr.example.com" })
    .nullable()
    .default(null),
  token: z
    .string()
    .transform((token) => token || null)
    .nullable()
    .default(null),
  name: z.string().min(1, "must not be empty").max(100, "must be 100 characters or less"),
  labels: z
    .string()
    .default("")
    .transform((text) =>
      text
        .split(",")
        .map((label) => label.trim())
        .filter((label) => label !== ""),
    )
    .superRefine((labels, context) => {
      if (labels.length > MAX_LABELS) context.addIssue(`must be ${MAX_LABELS} or fewer`);
      const wrong = labels.filter((label) => !RUNNER_LABEL.test(label));
      if (wrong.length > 0) context.addIssue(`${labelProblem(wrong)} Part them by commas`);
    }),
  slots: whole(1, 1_000, 4),
  stateDir: z.string(),
  allowSubprocess: z.boolean(),
  isolation: choice(ISOLATION_CHOICES, "auto"),
  bwrap: z.string().nullable().default(null),
  taskPath: z.string().default(DEFAULT_TASK_PATH),
  memoryMib: whole(16, 16_777_216, DEFAULT_LIMITS.memoryMib),
  maxProcesses: whole(8, 4_194_304, DEFAULT_LIMITS.processes),
  maxFileMib: whole(1, 16_777_216, DEFAULT_LIMITS.fileMib),
  noDagger: z.boolean(),
  daggerCli: z.string().nullable().default(null),
  engine: z.string().nullable().default(null),
  daggerImage: z.string().default(DEFAULT_IMAGE),
  stay: z.boolean(),
  transport: choice(TRANSPORT_MODES, "auto"),
  drainSeconds: whole(0, 86_400, 60),
  logBufferMib: whole(1, 65_536, 64),
  treeCacheMib: whole(0, 16_777_216, DEFAULT_TREE_CACHE_MIB),
  tied: z.boolean(),
});

export type Settings = z.output<typeof schema>;

export type Invocation =
  | { readonly kind: "help" }
  | { readonly kind: "version" }
  | { readonly kind: "run"; readonly settings: Settings };

const isSwitchOn = (text: string | undefined) =>
  text !== undefined && /^(1|true|yes|on)$/i.test(text);

function flagsOf(args: readonly string[]): Readonly<Record<string, string | boolean | undefined>> {
  const options = Object.fromEntries(
    Object.values(OPTIONS).map((option: Option) => [
      option.flag,
      { type: option.value === null ? ("boolean" as const) : ("string" as const) },
    ]),
  );
  try {
    return parseArgs({ args: [...args], options, strict: true }).values;
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    throw new FatalError(`${what} Run it with --help to see the options.`);
  }
}

/** Throws FatalError with every value that is of no use. */
export function readInvocation(args: readonly string[], environment: Environment): Invocation {
  const flags = flagsOf(args);
  if (flags.help === true) return { kind: "help" };
  if (flags.version === true) return { kind: "version" };
  const given: Partial<Record<OptionName, string | boolean>> = {
    name: hostname(),
    stateDir: defaultStateFolder(environment),
  };
  for (const name of Object.keys(OPTIONS).filter((key): key is OptionName => key in OPTIONS)) {
    const option: Option = OPTIONS[name];
    const variable = environment[variableOf(option)];
    const flag = flags[option.flag];
    if (option.value === null) given[name] = flag === true || isSwitchOn(variable);
    // An empty variable is one that a compose file passes on without a value.
    else if (flag !== undefined) given[name] = flag;
    else if (variable !== undefined && variable !== "") given[name] = variable;
  }
  const parsed = schema.safeParse(given);
  if (!parsed.success) throw new FatalError(problems(parsed.error));
  return {
    kind: "run",
    settings: { ...parsed.data, stateDir: resolve(parsed.data.stateDir) },
  };
}

function problems(error: z.ZodError): string {
  const lines = error.issues.map(({ path, message }) => {
    const name = Object.keys(OPTIONS).find((key): key is OptionName => key === path[0]);
    return `--${name === undefined ? String(path[0]) : OPTIONS[name].flag} ${message}`;
  });
  return `${lines.join("; ")}. Run it with --help to see the options.`;
}
