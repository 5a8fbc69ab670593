import { Bash } from "just-bash/browser";
import { describe, expect, it } from "vitest";
import { DeviceFs } from "./devices.ts";
import { liveOutput } from "./live-shell.ts";

interface Report {
  exitCode: number;
  stdout: string;
  stderr: string;
}

interface LiveReport extends Report {
  chunks: string[];
  ticks: number;
}

const files = (fs: { writeFileSync(path: string, content: string): void }) => {
  fs.writeFileSync("/workspace/data.txt", "b\na\nc\n");
  fs.writeFileSync("/workspace/unicode.txt", "grün 🙂\n");
};

async function plain(script: string): Promise<Report> {
  const fs = new DeviceFs({ write: () => {}, tick: () => undefined }, 1 << 24);
  files(fs);
  const bash = new Bash({ fs, cwd: "/workspace", defenseInDepth: false });
  const { exitCode, stdout, stderr } = await bash.exec(script, { rawScript: true });
  return { exitCode, stdout, stderr };
}

async function live(script: string): Promise<LiveReport> {
  const chunks: string[] = [];
  const text = { stdout: "", stderr: "" };
  let ticks = 0;
  const fs = new DeviceFs(
    {
      write: (stream, data) => {
        const piece = typeof data === "string" ? data : Buffer.from(data).toString("utf8");
        chunks.push(piece);
        text[stream] += piece;
      },
      tick: () => {
        ticks += 1;
        return undefined;
      },
    },
    1 << 24,
  );
  files(fs);
  const bash = new Bash({ fs, cwd: "/workspace", defenseInDepth: false });
  bash.registerTransformPlugin(liveOutput(script));
  const rest = await bash.exec(script, { rawScript: true });
  return {
    exitCode: rest.exitCode,
    stdout: text.stdout + rest.stdout,
    stderr: text.stderr + rest.stderr,
    chunks,
    ticks,
  };
}

const SCRIPTS: Record<string, string> = {
  "simple commands": "echo a; echo b >&2; printf 'no newline'",
  pipelines: "echo b | tr a-z A-Z; printf 'x\\ny\\n' | wc -l | tr -d ' '; false | true; echo $?",
  "command substitution": 'x=$(echo sub; echo suberr >&2); echo "x=$x $?"',
  loops: "for i in 1 2 3; do echo $i; [ $i = 2 ] && continue; echo odd $i; done; echo end",
  "nested loops and break":
    "for i in 1 2; do for j in a b c; do [ $j = b ] && break; echo $i$j; done; done",
  "break two levels":
    "for i in 1 2; do for j in a b; do echo $i$j; break 2; done; done; echo after",
  "while with condition output":
    "i=0; while echo cond $i; [ $i -lt 3 ]; do echo body $i; i=$((i+1)); done",
  until: "i=0; until [ $i -ge 2 ]; do echo u$i; ((i++)); done",
  "if branches": "if echo cond; false; then echo no; elif true; then echo elif; else echo else; fi",
  case: "for x in a b; do case $x in a) echo is a;; *) echo other >&2;; esac; done",
  functions:
    "f() { echo in $1; echo err >&2; return 3; }; f one; echo $?; f two | cat; f 3 2>&1 | cat -n",
  "function with loop": "f() { for i in 1 2; do echo $i; done; }; f; f | wc -l | tr -d ' '",
  "variables survive":
    "x=1; { x=2; echo $x; }; (x=3; echo $x); echo $x; y=$x; export Z=9; env | grep ^Z",
  "set -e stops": "set -e; echo before; false; echo after",
  "set -e in a loop": "set -e; for i in 1 2; do echo $i; test $i = 1; done; echo after",
  "set -e spares conditions":
    "set -e; false || echo ok; if false; then :; fi; ! true; false && true; echo end",
  "set -u": "set -u; echo a; echo $nope; echo b",
  "set -u in a list": "set -u; true && echo $nope; echo b",
  "stdin position":
    "printf '1\\n2\\n3\\n' > n; while read a; do read b; echo $a-$b; done < n; { read p; read q; echo $p$q; } < n",
  "trap and wait": "sleep 0 & wait; echo done",
  "set -o pipefail": "set -o pipefail; false | true; echo $?; set -e; false | true; echo never",
  "exit code": "echo a; exit 7; echo b",
  "exit in a loop": "for i in 1 2; do echo $i; exit 4; done",
  "exit in a function": "f() { echo f; exit 5; }; f; echo no",
  "subshell exit": "(echo s; exit 6); echo $?",
  redirections: "echo a > f; echo b >> f; cat f; ls nope 2> e; cat e; echo both > g 2>&1; cat g",
  "stderr to stdout": "ls nope 2>&1; { echo o; echo e >&2; } 2>&1",
  "stdout to stderr": "echo e >&2; echo f 1>&2",
  "redirected loop":
    "for i in 1 2; do echo $i; done > out; cat out; while read l; do echo got $l; done < data.txt",
  "piped while": "sort data.txt | while read l; do echo line $l; done",
  heredoc: "cat <<EOF\nhello $HOME\n  indented\nEOF\ncat <<'EOF'\nraw $HOME\nEOF",
  "process substitution": "cat <(echo p); diff <(echo a) <(echo b); echo $?",
  "special parameters":
    "true; echo $?; false; echo $?; echo one two; echo $_; false; for i in 1; do echo $?; done",
  "line numbers": "echo $LINENO\n\necho $LINENO\nfor i in 1; do\n  echo $LINENO\ndone",
  PIPESTATUS: 'false | true | false; echo "${PIPESTATUS[@]}"',
  arrays: 'a=(1 2 3); a+=(4); echo "${a[@]}" ${#a[@]}; declare -A m=([k]=v); echo ${m[k]}',
  "local and readonly":
    "f() { local v=in; echo $v; }; v=out; f; echo $v; readonly R=1; R=2; echo $R",
  unicode:
    "cat unicode.txt; echo 'ü → 🙂'; cat unicode.txt | tr a-z A-Z; echo naïve | wc -c | tr -d ' '",
  "not found": "nosuchcommand; echo $?",
  "syntax error": "echo a\nif then fi",
  eval: "eval 'echo ev; x=5'; echo $x",
  source: "echo 'echo sourced; y=7' > s.sh; . ./s.sh; echo $y",
  "child shell": "bash -c 'echo child; echo childerr >&2; exit 3'; echo $?",
  "child shell in a pipe":
    "bash -c 'echo a; for i in 1 2; do echo $i; done' | tr a-z A-Z; x=$(bash -c 'echo y'); echo $x",
  "loops in substitutions":
    'echo "$(for i in 1 2; do echo $i; done)" <(while false; do :; done) > /dev/null; echo ${x:-$(for i in a b; do echo $i; done)}',
  xargs: "cat data.txt | xargs -n1 echo item",
  "bare redirect": "> empty; wc -c < empty | tr -d ' '",
  negation: "! false; echo $?; ! true; echo $?",
  "and-or lists": "true && echo yes || echo no; false && echo yes || echo no",
  "conditional command":
    "[[ abc == a* ]] && echo m; if [[ -f data.txt ]]; then echo file; fi; ((2 > 1)) && echo gt",
  xtrace: "set -x; echo a; for i in 1; do echo $i; done",
  "c-style for": "for ((i=0; i<3; i++)); do echo $i; done",
  "read from here-string": "read a b <<< 'x y z'; echo $a-$b",
  "brace group with pipe": "{ echo 1; echo 2; } | sort -r",
  tee: "echo t | tee copy; cat copy",
  "exec redirect": "exec 3> three; echo to3 >&3; cat three; exec > out; echo hidden",
  "empty script": "",
  "only a comment": "# nothing",
};

describe("liveOutput", () => {
  it.each(Object.entries(SCRIPTS))("keeps what a script means: %s", async (_, script) => {
    const expected = await plain(script);
    const { exitCode, stdout, stderr } = await live(script);
    expect({ exitCode, stdout, stderr }).toEqual(expected);
  });

  it("reports each statement, also inside loops and conditions, on its own", async () => {
    const { chunks } = await live(
      "echo a; for i in 1 2; do if true; then echo $i; fi; done; echo z >&2",
    );
    expect(chunks).toEqual(["a\n", "1\n", "2\n", "z\n"]);
  });

  it("keeps stdout and stderr of successive statements in order", async () => {
    const { chunks } = await live("echo 1; echo 2 >&2; echo 3; echo 4 >&2");
    expect(chunks).toEqual(["1\n", "2\n", "3\n", "4\n"]);
  });

  it.each([
    ["at the top", "i=0; while [ $i -lt 50 ]; do i=$((i+1)); done"],
    ["in a function", "f() { i=0; while [ $i -lt 50 ]; do i=$((i+1)); done; }; f"],
    ["in a pipeline", "for i in $(seq 50); do :; done | cat"],
    ["in a substitution", "x=$(for i in $(seq 50); do :; done)"],
    ["in a child shell", "bash -c 'for i in $(seq 50); do :; done'"],
    ["in a subshell", "( for i in $(seq 50); do :; done )"],
  ])("gives the event loop a turn in each iteration of a loop %s", async (_, script) => {
    expect((await live(script)).ticks).toBeGreaterThanOrEqual(50);
  });
});
