/** The part of the contract that is about Python: it reads its input, a file beside it, and leaves a result. */
import type { Work } from "../../../workers/executors/port.ts";

export const PYTHON_WORK = {
  language: "python",
  script: [
    "import json, os, neighbor",
    'inputs = json.load(open(os.environ["PIPELZR_INPUT"]))',
    'print("grün", neighbor.NAME)',
    'json.dump({"doubled": inputs["n"] * 2}, open(os.environ["PIPELZR_OUTPUT"], "w"))',
  ].join("\n"),
  inputs: { n: 21 },
  files: {
    kind: "inline",
    entries: { "neighbor.py": { content: 'NAME = "here"', encoding: "utf8" } },
  },
} as const satisfies Partial<Work>;

/** What comes of it. */
export const PYTHON_STDOUT = "grün here\n";
export const PYTHON_OUTCOME = { status: "completed", exit_code: 0, result: { doubled: 42 } };
