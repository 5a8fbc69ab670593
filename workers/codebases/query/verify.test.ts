import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidates } from "./candidates.ts";
import { trigramsOfText } from "./folded-trigrams.ts";
import { holds } from "./formula.ts";
import { parseQuery } from "./parse.ts";
import { explain, planQuery, type QueryPlan } from "./plan.ts";
import type { FileTrait, Query, Syntax } from "./query.ts";
import { queryTree } from "./test-support-queries.ts";
import { type VerifiableFile, type VerifyOptions, verifyFile } from "./verify.ts";

function planOf(text: string, syntax: Syntax = "github"): QueryPlan {
  const { query, problems } = parseQuery(text, syntax);
  if (query === null) throw new Error(JSON.stringify(problems));
  const planned = planQuery(query, { syntax });
  if (planned.plan === null) throw new Error(JSON.stringify(planned.problems));
  return planned.plan;
}

const TEXT = [
  "package main",
  "",
  "// Serve answers requests; naïve 😀 text.",
  "func (srv *Server) ServeHTTP(w Writer) {",
  "\treturn TODO(w)\r",
  "}",
].join("\n");

const file: VerifiableFile = {
  path: "src/net/server.go",
  language: "go",
  text: TEXT,
  symbols: [
    {
      name: "ServeHTTP",
      kind: "method",
      start: TEXT.indexOf("ServeHTTP"),
      end: TEXT.indexOf("ServeHTTP") + 9,
    },
  ],
  traits: new Set<FileTrait>(["generated"]),
  repository: "acme/web",
};
const options: VerifyOptions = { holds: (leaf) => leaf.kind === "ran" };

describe("whether a file matches", () => {
  it.each<[string, boolean]>([
    ["servehttp", true],
    ["case:yes servehttp", false],
    ["case:auto ServeHttp", false],
    ["case:auto servehttp", true],
    ["(case:yes servehttp) OR todo", true],
    ["server.go", true],
    ["content:server.go", false],
    ["main missing", false],
    ["main OR missing", true],
    ["-missing", true],
    ["-main", false],
    ["main -missing", true],
    ["NOT (main missing)", true],
    ["NOT (main OR missing)", false],
    ["NOT NOT main", true],
    ["/^}$/", true],
    ["/\\{$\\s+return/", true],
    ["path:net", true],
    ["path:/net", true],
    ['path:"/src/"', true],
    ["path:/rc", false],
    ["path:*.go", true],
    ["path:net/*.go", true],
    ["path:et/*.go", false],
    ["path:/net/*.go", false],
    ["path:/src/**/*.go", true],
    ["path:src/*.go", false],
    ["path:**/serv?r.go", true],
    ["path:/^src.*go$/", true],
    ["-path:src", false],
    ["lang:golang", true],
    ["-lang:go", false],
    ["is:generated", true],
    ["is:test", false],
    ["symbol:serve", true],
    ["symbol:/^HTTP/", false],
    ["repo:acme/web", true],
    ["org:acme", true],
    ["org:acm", false],
    ["ran:yes", true],
    ["failed:yes", false],
    ["-failed:yes main", true],
    ["type:symbol ServeHTTP", true],
    ["case:yes", true],
  ])("%s: %s", (text, expected) => {
    expect(verifyFile(planOf(text), file, options).matched).toBe(expected);
  });
});

function places(text: string, more: Partial<VerifyOptions> = {}) {
  const { matches } = verifyFile(planOf(text), file, { ...options, ...more });
  return matches.map(({ kind, line, column, start, end }) => {
    const subject = kind === "path" ? file.path : file.text;
    return `${kind} ${line}:${column} ${subject.slice(start, end)}`;
  });
}

describe("where a file matches", () => {
  it("is by line and column, paths first", () => {
    expect(places("serve")).toEqual([
      "path 1:9 serve",
      "content 3:4 Serve",
      "content 4:12 Serve",
      "content 4:20 Serve",
    ]);
    expect(places("path:/net")).toEqual(["path 1:4 /net"]);
    expect(places('path:"/src/"')).toEqual(["path 1:1 src/"]);
  });

  it("leaves out negations and alternatives that did not hold", () => {
    expect(places("-missing todo")).toEqual(["content 5:9 TODO"]);
    expect(places("(main missing) OR todo")).toEqual(["content 5:9 TODO"]);
    expect(places("NOT missing")).toEqual([]);
  });

  it("has symbols with their kinds, beside the same place as content", () => {
    expect(places("symbol:ServeHTTP content:ServeHTTP")).toEqual([
      "symbol 4:20 ServeHTTP",
      "content 4:20 ServeHTTP",
    ]);
    expect(verifyFile(planOf("symbol:ServeHTTP"), file, options).matches[0]?.symbol_kind).toBe(
      "method",
    );
  });

  it("is each place once, up to a limit that is told", () => {
    expect(places("main OR content:main")).toEqual(["content 1:9 main"]);
    const verdict = verifyFile(planOf("content:e"), file, { ...options, maxMatches: 3 });
    expect([verdict.matches.length, verdict.truncated]).toEqual([3, true]);
    expect(verifyFile(planOf("main"), file, { ...options, maxMatches: 1 }).truncated).toBe(false);
  });

  it("counts in UTF-16 and in UTF-8", () => {
    const [match] = verifyFile(planOf("content:text"), file, options).matches;
    const bytes = new TextEncoder().encode(TEXT.slice(0, match?.start)).length;
    expect(match?.start).toBe(TEXT.indexOf("text"));
    expect(match?.byte_start).toBe(bytes);
    expect(match?.byte_end).toBe(bytes + 4);
  });

  it("may go over several lines", () => {
    const [match] = verifyFile(planOf("/\\{\\n\\treturn/"), file, options).matches;
    expect([match?.line, match?.end_line]).toEqual([4, 5]);
    expect(match?.fragment.text).toBe("func (srv *Server) ServeHTTP(w Writer) {\n\treturn TODO(w)");
  });

  it("shows the line, cut around the match without splitting a character", () => {
    const long: VerifiableFile = {
      ...file,
      text: `${"😀".repeat(50)}needle${"😀".repeat(50)}\nend`,
    };
    for (const maxFragmentChars of [10, 11, 12, 13]) {
      const [match] = verifyFile(planOf("needle"), long, { ...options, maxFragmentChars }).matches;
      const { text = "", match_start, match_end, cut_before, cut_after } = match?.fragment ?? {};
      expect(text.length).toBeLessThanOrEqual(maxFragmentChars);
      expect(text.slice(match_start, match_end)).toBe("needle");
      expect(text.isWellFormed()).toBe(true);
      expect([cut_before, cut_after]).toEqual([true, true]);
    }
    const [match] = verifyFile(planOf("needle"), long, { ...options, maxFragmentChars: 4 }).matches;
    expect(match?.fragment).toMatchObject({ text: "need", match_start: 0, match_end: 4 });
  });
});

describe("the plan", () => {
  it.each<[string, unknown]>([
    [
      "ServeHTTP",
      {
        or: [
          {
            index: "content",
            of: '"ser" AND "erv" AND "rve" AND "veh" AND "eht" AND "htt" AND "ttp"',
          },
          { index: "path", of: "ServeHTTP" },
        ],
      },
    ],
    [
      "content:ServeHTTP",
      { index: "content", of: '"ser" AND "erv" AND "rve" AND "veh" AND "eht" AND "htt" AND "ttp"' },
    ],
    ["content:abc content:def", { index: "content", of: '"abc" AND "def"' }],
    ["content:abc OR content:def", { index: "content", of: '"abc" OR "def"' }],
    ["content:abc OR content:d", { all: true }],
    ["content:abc content:d", { index: "content", of: '"abc"' }],
    ["content:abc -content:def", { index: "content", of: '"abc"' }],
    ["-content:abc", { all: true }],
    ["NOT (lang:go OR content:abc)", { index: "language", of: "go", negated: true }],
    [
      "lang:go -path:test",
      {
        and: [
          { index: "language", of: "go" },
          { index: "path", of: "test", negated: true },
        ],
      },
    ],
    [
      "symbol:Parse symbol:Query",
      {
        and: [
          { index: "symbol", of: '"par" AND "ars" AND "rse"' },
          { index: "symbol", of: '"que" AND "uer" AND "ery"' },
        ],
      },
    ],
    [
      "is:test calls:run",
      {
        and: [
          { index: "trait", of: "test" },
          { index: "fact", of: "calls:run" },
        ],
      },
    ],
    ["path:*.go content:x", { index: "path", of: "/(?s)^(?:.*/)?[^/]*\\.go$/" }],
    ["type:path case:yes", { all: true }],
    ["NOT case:yes OR x", null],
  ])("of %s", (text, expected) => {
    const { query } = parseQuery(text);
    if (query === null) expect(expected).toBeNull();
    else expect(explain(planOf(text)).candidates).toEqual(expected);
  });

  it("is plain JSON that says what each leaf does", () => {
    const plan = planOf("type:symbol ServeHTTP -todo /\\d+/ lang:go ran:last");
    const explanation = explain(plan);
    expect(JSON.parse(JSON.stringify(explanation))).toEqual(explanation);
    expect(explanation.result_type).toBe("symbol");
    expect(explanation.scan).toBe(false);
    expect(
      explanation.leaves.map(({ leaf, narrows_by, scan }) => [leaf, narrows_by, scan]),
    ).toEqual([
      ["type:symbol", null, null],
      ["ServeHTTP", "content", null],
      ["todo", null, "a negated text is looked for in every candidate"],
      ["/\\d+/", null, "the expression requires no three ASCII characters in a row"],
      ["lang:go", "languages", null],
      ["ran:last", "facts", null],
    ]);
    expect(plan.facts.map(({ kind }) => kind)).toEqual(["ran"]);
  });

  it("refuses a pattern that is not RE2, wherever the tree is from", () => {
    const query: Query = {
      kind: "symbol",
      pattern: { kind: "regex", source: "(?=a)" },
      start: 2,
      end: 9,
    };
    const { problems } = planQuery(query, { syntax: "github" });
    expect(problems).toHaveLength(1);
    expect(problems?.[0]).toMatchObject({ start: 2, end: 9 });
  });
});

/** Whether the indexes would give the file. */
function isCandidate(candidates: Candidates, subject: VerifiableFile): boolean {
  switch (candidates.kind) {
    case "all":
      return true;
    case "none":
      return false;
    case "and":
      return candidates.operands.every((operand) => isCandidate(operand, subject));
    case "or":
      return candidates.operands.some((operand) => isCandidate(operand, subject));
    case "path_text":
      return candidates.check.path.test(subject.path);
    case "match": {
      const rows =
        candidates.index === "content"
          ? [subject.text]
          : (subject.symbols ?? []).map(({ name }) => name);
      return rows.some((row) => holds(candidates.formula, trigramsOfText(row)));
    }
    case "exact": {
      const { source, negated } = candidates;
      const inIndex =
        source.index === "language"
          ? subject.language === source.language
          : source.index === "trait"
            ? subject.traits.has(source.trait)
            : source.index === "fact"
              ? options.holds(source.leaf)
              : verifyFile({ ...planOf("x"), check: source.check }, subject, options).matched;
      return inIndex !== negated;
    }
  }
}

it("never leaves out a file that matches", () => {
  const word = fc.constantFrom(
    "foo",
    "AND",
    "a b",
    "xxx",
    "x/x",
    'say "hi"',
    "back\\slash",
    "src/",
    "path:x",
    "k",
    'q".',
    "55",
  );
  const name = fc.constantFrom("foo", "xax", "sayhi");
  const subject = fc.record({
    path: fc.array(word, { minLength: 1, maxLength: 2 }).map((parts) => parts.join("/")),
    language: fc.constantFrom(null, "go", "cpp"),
    text: fc.array(word, { maxLength: 5 }).map((parts) => parts.join(" ")),
    symbols: fc.array(
      name.map((each) => ({ name: each, kind: "function", start: 0, end: 0 })),
      { maxLength: 2 },
    ),
    traits: fc.constantFrom<ReadonlySet<FileTrait>>(new Set(), new Set<FileTrait>(["test", "doc"])),
    repository: word,
  });
  let matched = 0;
  const property = fc.property(queryTree("github"), subject, (query, each) => {
    const { plan } = planQuery(query, { syntax: "github" });
    if (plan === null || !verifyFile(plan, each, options).matched) return true;
    matched += 1;
    return isCandidate(plan.candidates, each);
  });
  fc.assert(property, { numRuns: 4_000 });
  expect(matched).toBeGreaterThan(400);
});
