/** What the demo executes, and what must come of each: expectations are computed by Node, here. */
import { randomBytes } from "node:crypto";
import type { Client, Task, TaskDefinition, TaskEvent } from "../lib/client.ts";
import { demand, equal } from "./expect.ts";
import { filesOf, isTypeScript, type Sources } from "./sources.ts";

export interface DemoTask {
  readonly definition: TaskDefinition;
  /** The last word on the task: what it found, or throws with what is wrong. */
  verify(task: Task, client: Client): Promise<string> | string;
  /** Looks at each event as it comes. */
  onEvent?(event: TaskEvent, id: string, client: Client): Promise<void>;
  /** How it must end; `completed` unless said. */
  readonly ends?: "cancelled";
}

function countLines(sources: Sources): DemoTask {
  const files = filesOf(sources, isTypeScript);
  const expected: Record<string, number> = {};
  for (const [path, text] of Object.entries(files)) {
    const folder = path.slice(0, path.indexOf("/"));
    expected[folder] = (expected[folder] ?? 0) + text.split("\n").length - 1;
  }
  return {
    definition: {
      name: "count-lines",
      description: "Bash: lines of TypeScript in each folder",
      files,
      command: `for folder in */; do
  folder=\${folder%/}
  lines=$(find "$folder" -name '*.ts' -exec cat {} + | wc -l)
  echo "$folder: $lines lines"
  echo "$folder=$((lines))" >> "$PIPELZR_OUTPUT"
done`,
    },
    verify({ result }) {
      const counted = Object.entries(result ?? {}).map(([folder, lines]) => [
        folder,
        Number(lines),
      ]);
      equal(
        Object.fromEntries(counted.sort()),
        Object.fromEntries(Object.entries(expected).sort()),
        "the count",
      );
      return Object.entries(expected)
        .map(([folder, lines]) => `${folder} ${lines.toLocaleString("en")}`)
        .join(", ");
    },
  };
}

function searchText(sources: Sources): DemoTask {
  const files = filesOf(sources, isTypeScript);
  const matching = Object.entries(files).filter(([, text]) => /extends DurableObject\b/.test(text));
  return {
    definition: {
      name: "search",
      description: "Bash: which files declare a Durable Object",
      files,
      command: "grep -rlE 'extends DurableObject\\b' --include='*.ts' * | sort",
    },
    verify({ stdout }) {
      const found = (stdout ?? "").split("\n").filter(Boolean);
      equal(found.sort(), matching.map(([path]) => path).sort(), "the search");
      return `${found.length} files`;
    },
  };
}

const EXPORT_PATTERN = String.raw`^export (?:abstract |async )?(function|class|const|interface|type) (\w+)`;

function extractSymbols(sources: Sources): DemoTask {
  const files = filesOf(sources, (path) => path.startsWith("workers/") && path.endsWith(".ts"));
  const expected: Record<string, string[]> = {};
  for (const [path, text] of Object.entries(files)) {
    const names = [...text.matchAll(new RegExp(EXPORT_PATTERN, "gm"))].map(
      ([, kind, name]) => `${kind} ${name}`,
    );
    if (names.length > 0) expected[path] = names;
  }
  return {
    definition: {
      name: "extract-symbols",
      description: "TypeScript: exported symbols of every file, kept as an artifact",
      language: "typescript",
      files,
      inputs: { pattern: EXPORT_PATTERN },
      artifacts: ["symbols.json"],
      script: `interface Input { pattern: string }
type Context = { files: { list(glob: string): string[]; read(path: string): string; write(path: string, data: string): void } };

export default (input: Input, ctx: Context) => {
  const symbols: Record<string, string[]> = {};
  for (const path of ctx.files.list("**/*.ts")) {
    const names: string[] = [];
    for (const [, kind, name] of ctx.files.read(path).matchAll(new RegExp(input.pattern, "gm"))) {
      names.push(kind + " " + name);
    }
    if (names.length > 0) symbols[path] = names;
  }
  ctx.files.write("symbols.json", JSON.stringify(symbols));
  const all = Object.values(symbols).flat();
  console.log(all.length + " symbols in " + Object.keys(symbols).length + " files");
  return { files: Object.keys(symbols).length, symbols: all.length };
};`,
    },
    async verify({ id, result }, client) {
      const total = Object.values(expected).flat().length;
      const counts = { files: Object.keys(expected).length, symbols: total };
      equal(result, counts, "the result");
      const artifact: unknown = JSON.parse(await client.artifact(id, "symbols.json"));
      equal(artifact, expected, "the artifact symbols.json");
      return `${counts.symbols} symbols in ${counts.files} files`;
    },
  };
}

function failTwice(): DemoTask {
  return {
    definition: {
      name: "fails-twice",
      description: "JavaScript: fails, and its retry policy tries again",
      retry: { max_attempts: 4, backoff: "exponential", initial_seconds: 0.25, jitter: false },
      script: `export default (input, ctx) => {
  if (ctx.attempt < 3) throw new Error("attempt " + ctx.attempt + " finds the moon in the wrong phase");
  return { attempt: ctx.attempt };
};`,
    },
    verify({ attempt, result }) {
      equal(result, { attempt: 3 }, "the result");
      equal(attempt, 3, "the number of attempts");
      return "completed at the third attempt";
    },
  };
}

function useSecret(name: string, value: string): DemoTask {
  return {
    definition: {
      name: "use-secret",
      description: "Bash: is given a secret, tries to print it",
      secrets: [name],
      command: `echo "the token is $${name}"
echo "in base64: $(printf %s "$${name}" | base64 -w 0)"
echo "length=\${#${name}}" >> "$PIPELZR_OUTPUT"`,
    },
    async verify({ id, stdout, result }, client) {
      const said = JSON.stringify([stdout, result, await client.logs(id)]);
      demand(!said.includes(value), "the secret's value is in the output");
      demand(
        !said.includes(Buffer.from(value).toString("base64")),
        "its base64 form is in the output",
      );
      demand(/the token is \S/.test(stdout ?? ""), "nothing stands in the secret's place");
      const { length } = Object(result);
      equal(Number(length), value.length, "the length that the task saw");
      return "the value was used, and is masked in what is kept";
    },
  };
}

function cancelIt(): DemoTask {
  let asked = 0;
  let answered = 0;
  return {
    ends: "cancelled",
    definition: {
      name: "cancelled",
      description: "JavaScript: would go on for five minutes",
      script: `export default async () => {
  for (let turn = 1; turn <= 1500; turn += 1) {
    console.log("turn " + turn);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
};`,
    },
    async onEvent(event, id, client) {
      if (event.type !== "log" || asked > 0) return;
      asked = performance.now();
      await client.cancel(id);
      answered = performance.now();
    },
    async verify({ id }, client) {
      demand(answered > 0, "the cancel was never answered");
      const turns = (await client.logs(id)).split("\n").filter(Boolean).length;
      demand(turns > 0 && turns < 1500, `it wrote ${turns} lines`);
      return `stopped ${(answered - asked).toFixed(0)} ms after it was asked to`;
    },
  };
}

/** Stores what the tasks need and returns them. */
export async function demoTasks(sources: Sources, client: Client): Promise<DemoTask[]> {
  const secret = { name: "DEMO_TOKEN", value: randomBytes(18).toString("base64url") };
  await client.storeSecret(secret.name, secret.value);
  return [
    countLines(sources),
    searchText(sources),
    extractSymbols(sources),
    failTwice(),
    useSecret(secret.name, secret.value),
    cancelIt(),
  ];
}
