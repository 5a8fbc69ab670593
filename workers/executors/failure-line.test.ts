import { describe, expect, it } from "vitest";
import { failureLine } from "./failure-line.ts";

const NODE = `/task/main.js:3
throw new TypeError("no price");
^

TypeError: no price
    at total (/task/main.js:3:7)
    at node:internal/main/run_main_module:28:49

Node.js v20.18.1
`;

describe("failureLine", () => {
  it.each([
    ["Node", NODE, "TypeError: no price"],
    [
      "Node, with members and a code",
      "node:fs:573\n  return binding.open(\n                 ^\n\nError: ENOENT: no such file or directory, open 'x'\n    at Object.openSync (node:fs:573:18) {\n  errno: -2,\n  code: 'ENOENT'\n}\n\nNode.js v20.18.1\n",
      "Error: ENOENT: no such file or directory, open 'x'",
    ],
    [
      "Node, of its own",
      "node:internal/modules/cjs/loader:1228\n  throw err;\n  ^\n\nError [ERR_X]: Cannot find module 'x'\nRequire stack:\n- /task/main.js\n    at Module._load (node:internal:1)\n\nNode.js v22.1.0",
      "Error [ERR_X]: Cannot find module 'x'",
    ],
    [
      "Node, of what is no error",
      "/task/main.js:1\nthrow 'all gone'\n^\nall gone\n(Use `node --trace-uncaught ...` to show where the exception was thrown)\n\nNode.js v20.18.1\n",
      "all gone",
    ],
    [
      "Java",
      'Exception in thread "main" java.lang.IllegalStateException: outer\n\tat A.main(A.java:3)\nCaused by: java.io.IOException: disk\n\tat A.read(A.java:9)\n\t... 1 more\n',
      "Caused by: java.io.IOException: disk",
    ],
    [
      "Go",
      "panic: no price\n\ngoroutine 1 [running]:\nmain.total(...)\n\t/task/main.go:4\nmain.main()\n\t/task/main.go:8 +0x1d\nexit status 2\n",
      "panic: no price",
    ],
    [
      "Rust",
      "thread 'main' panicked at src/main.rs:2:5:\nno price\nnote: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n",
      "thread 'main' panicked at src/main.rs:2:5: no price",
    ],
    [
      "Ruby",
      "main.rb:1:in 'total': no price (ArgumentError)\n\tfrom main.rb:4:in '<main>'\n",
      "main.rb:1:in 'total': no price (ArgumentError)",
    ],
    [
      "Deno",
      "error: Uncaught (in promise) Error: no price\n    at file:///task/main.ts:1:7\n",
      "error: Uncaught (in promise) Error: no price",
    ],
    [
      "PHP",
      "PHP Fatal error:  Uncaught Exception: no price in /task/a.php:1\nStack trace:\n#0 {main}\n  thrown in /task/a.php on line 1\n",
      "PHP Fatal error:  Uncaught Exception: no price in /task/a.php:1",
    ],
    ["an indented usage", "tool: no such option\n  --help shows them\n", "--help shows them"],
  ])("finds what was thrown: %s", (_, stderr, text) => {
    expect(failureLine(stderr).text).toBe(text);
  });

  it.each([
    ["a tool", "Error: a warning\nls: no such file\n", "ls: no such file"],
    [
      "Python",
      'Traceback (most recent call last):\n  File "a.py", line 1, in <module>\n    f()\nKeyError: 1\n',
      "KeyError: 1",
    ],
    ["one line", "  no newline", "no newline"],
    ["nothing", "\n", ""],
  ])("is the last line otherwise: %s", (_, stderr, text) => {
    expect(failureLine(stderr)).toEqual({ text, isLast: true });
  });

  it("tells whether it is the last", () => {
    expect(failureLine(NODE).isLast).toBe(false);
  });
});
