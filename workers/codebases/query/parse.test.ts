import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_QUERY_CHARS, MAX_QUERY_DEPTH, MAX_QUERY_LEAVES, parseQuery } from "./parse.ts";
import { printQuery } from "./print.ts";
import { leavesOf, SYNTAXES, type Syntax } from "./query.ts";
import { brief, queryTree, withoutSpans } from "./test-support-queries.ts";

function read(text: string, syntax: Syntax): string {
  const { query, problems } = parseQuery(text, syntax);
  return query === null
    ? `problem: ${problems.map(({ message }) => message).join(" ")}`
    : brief(query);
}

describe("GitHub's syntax", () => {
  it.each<[string, string]>([
    ["http-push", "'http-push'"],
    ["sparse index", "(and 'sparse' 'index')"],
    ['"sparse index"', "'sparse index'"],
    ['"say \\"hi\\" \\\\ \\n"', `'say "hi" \\ \\n'`],
    ["/sparse.*index/", "/sparse.*index/"],
    ["/a b/ c", "(and /a b/ 'c')"],
    ["/^App\\/src\\//", "/^App/src//"],
    ["a.b", "'a.b'"],
    ["a AND b", "(and 'a' 'b')"],
    ["a OR b c", "(or 'a' (and 'b' 'c'))"],
    ["a b OR c d", "(or (and 'a' 'b') (and 'c' 'd'))"],
    ["a AND (b OR c)", "(and 'a' (or 'b' 'c'))"],
    ["(a OR b) AND NOT c", "(and (or 'a' 'b') (not 'c'))"],
    ["NOT a", "(not 'a')"],
    ["NOT NOT a", "(not (not 'a'))"],
    ["a -b", "(and 'a' (not 'b'))"],
    ['-"a b" c', "(and (not 'a b') 'c')"],
    ["-(a b)", "(not (and 'a' 'b'))"],
    ["-path:test foo", "(and (not file:'test') 'foo')"],
    ["-/x+/", "(not /x+/)"],
    ["a - b", "(and 'a' '-' 'b')"],
    ["--flag", "'--flag'"],
    ["->next", "'->next'"],
    ["and or not", "(and 'and' 'or' 'not')"],
    ['"AND"', "'AND'"],
    ["main(args)", "'main(args)'"],
    ["(f(x) OR g())", "(or 'f(x)' 'g()')"],
    ["std::vector", "'std::vector'"],
    ["a+b", "'a+b'"],
    ["/", "'/'"],
    ["path:unix_socket.c", "file:'unix_socket.c'"],
    ["path:*.txt", "file:glob(*.txt)"],
    ["path:src/**/*.js", "file:glob(src/**/*.js)"],
    ["path:/src/*.js", "file:glob(/src/*.js)"],
    ["path:/src/main.rs", "file:'/src/main.rs'"],
    ["path:/(^|\\/)README\\.md$/", "file:/(^|/)README\\.md$/"],
    ['path:"file?"', "file:'file?'"],
    ["file:a.ts", "file:'a.ts'"],
    ["language:Ruby", "lang:ruby"],
    ["lang:C++", "lang:cpp"],
    ['language:"Objective C"', "lang:objective c"],
    ["repo:cli/cli", "repo:'cli/cli'"],
    ["org:github", "repo:/^github//"],
    ["user:octo.cat", "repo:/^octo\\.cat//"],
    ["symbol:WithContext", "symbol:'WithContext'"],
    ["symbol:/^String::to_.*/", "symbol:/^String::to_.*/"],
    ["content:README.md", "content:'README.md'"],
    ['content:"a b"', "content:'a b'"],
    ["is:archived", "is:archived"],
    ["NOT is:fork", "(not is:fork)"],
    ["archived:no x", "(and (not is:archived) 'x')"],
    ["is:vendored OR is:generated", "(or is:vendored is:generated)"],
    ["type:symbol main", "(and type:symbol 'main')"],
    ["case:yes Foo", "(and case:yes 'Foo')"],
    ["(case:yes Foo) bar", "(and (and case:yes 'Foo') 'bar')"],
    ["ref:parse calls:run", "(and ref:parse calls:run)"],
    [
      "calledby:main implements:Reader imports:node:fs",
      "(and calledby:main implements:Reader imports:node:fs)",
    ],
    ['ast:"if ($A) { $$$ }"', "ast:if ($A) { $$$ }"],
    ["ast:foo($A)", "ast:foo($A)"],
    ['near:"where are retries counted"', "near:where are retries counted"],
    ["rev:v1.2 x", "(and rev:v1.2 'x')"],
    ["branch:main", "rev:main"],
    ["diff:main..feature/x", "diff:main→feature/x"],
    ["diff:main...next", "diff:main→next"],
    ["diff:v1.2", "diff:parent→v1.2"],
    ["ran:yes -covered:yes failed:last", "(and ran:yes (not covered:yes) failed:last)"],
    ["PATH:x Lang:Go", "(and file:'x' lang:go)"],
  ])("%s", (text, expected) => {
    expect(read(text, "github")).toBe(expected);
  });
});

describe("Zoekt's syntax", () => {
  it.each<[string, string]>([
    ["needle", "'needle'"],
    ["thread or needle", "(or 'thread' 'needle')"],
    ["class needle", "(and 'class' 'needle')"],
    ["class Needle.*", "(and 'class' /Needle.*/)"],
    ["a and b", "(and 'a' 'and' 'b')"],
    ["a AND b OR c", "(and 'a' 'AND' 'b' 'OR' 'c')"],
    ["a b or c", "(or (and 'a' 'b') 'c')"],
    ["path/file", "'path/file'"],
    ["/re/", "'/re/'"],
    ["a\\.b", "'a.b'"],
    ["a.b", "/a.b/"],
    ["interface{}", "'interface{}'"],
    ["\\Qa.b\\E", "'a.b'"],
    ["foo\\ bar", "'foo bar'"],
    ['"foo bar"', "'foo bar'"],
    ['"class .*"', "/class .*/"],
    ['"a\\\\.b"', "'a.b'"],
    ['"say \\"hi\\""', `'say "hi"'`],
    ['"or"', "'or'"],
    ['pre"a b"post', "'prea bpost'"],
    ["-needle", "(not 'needle')"],
    ["-f:test needle", "(and (not file:'test') 'needle')"],
    ["-(a or b) c", "(and (not (or 'a' 'b')) 'c')"],
    ["--x", "(not (not 'x'))"],
    ["(a or b) c", "(and (or 'a' 'b') 'c')"],
    ["(foo|bar)", "/(foo|bar)/"],
    ["(foo|bar)baz", "/(foo|bar)baz/"],
    ["(?i)foo", "/(?i)foo/"],
    ["(f:x)", "file:'x'"],
    ["((a|b) c)", "(and /(a|b)/ 'c')"],
    ["func(a b)", "/func(a b)/"],
    ["[a b]+", "/[a b]+/"],
    ["[)(]x y", "(and /[)(]x/ 'y')"],
    ["f:\\.go$", "file:/\\.go$/"],
    ["file:java", "file:'java'"],
    [
      "f:*.go",
      "problem: The regular expression has a fault: missing argument to repetition operator.",
    ],
    ["r:droid", "repo:'droid'"],
    ["repo:^a/b$", "repo:/^a/b$/"],
    ["c:needle", "content:'needle'"],
    ["content:a.c", "content:/a.c/"],
    ["regex:a.*c", "/a.*c/"],
    ["sym:^Run$", "symbol:/^Run$/"],
    ["b:main", "rev:main"],
    ["lang:typescript", "lang:typescript"],
    ["l:py", "lang:python"],
    ["case:auto x", "(and case:auto 'x')"],
    ["case:yes (a case:no b)", "(and case:yes (and 'a' case:no 'b'))"],
    ["type:filematch x", "(and type:file 'x')"],
    ["t:filename x", "(and type:path 'x')"],
    ["type:repo r:x", "(and type:repo repo:'x')"],
    ["archived:yes", "is:archived"],
    ["a:no fork:no public:yes", "(and (not is:archived) (not is:fork) is:public)"],
    ["calls:run ast:$A(x)", "(and calls:run ast:$A(x))"],
    ["a::b", "'a::b'"],
  ])("%s", (text, expected) => {
    expect(read(text, "zoekt")).toBe(expected);
  });
});

describe("what is wrong with a query", () => {
  it.each<[Syntax, string, readonly (readonly [number, number, RegExp])[]]>([
    ["github", "", [[0, 0, /empty/]]],
    ["github", "  ", [[0, 2, /empty/]]],
    ["github", "lnag:go x", [[0, 5, /no field lnag:.*Did you mean lang:\?.*quote it: "lnag:go"/]]],
    ["github", "a http://x", [[2, 7, /no field http:/]]],
    ["github", "filename:x", [[0, 9, /Did you mean file:/]]],
    ["github", "path:", [[0, 5, /has no value/]]],
    ["github", "a path: b", [[2, 7, /has no value/]]],
    ["github", 'path:""', [[0, 7, /nothing between/]]],
    ["github", "//", [[0, 2, /nothing between/]]],
    ["github", 'a "open', [[2, 7, /quotes are not closed/]]],
    ["github", '"a"b c', [[3, 4, /right after the closing quotes/]]],
    ["github", "/open x", [[0, 5, /not closed/]]],
    ["github", "/src/main.rs", [[0, 12, /text follows/]]],
    ["github", "x /a(?=b)/", [[4, 7, /Lookahead/]]],
    ["github", "path:/a\\/(/", [[9, 10, /missing closing \)/]]],
    ["github", "(a", [[0, 1, /not closed/]]],
    ["github", "a)", [[1, 2, /closes nothing/]]],
    ["github", "()", [[0, 2, /brackets are empty/]]],
    ["github", "a OR", [[2, 4, /OR has nothing/]]],
    ["github", "OR a", [[0, 2, /OR has nothing/]]],
    ["github", "a OR OR b", [[2, 4, /OR has nothing/]]],
    ["github", "a AND", [[2, 5, /AND has nothing/]]],
    [
      "github",
      "AND AND a",
      [
        [0, 3, /AND has nothing/],
        [4, 7, /AND has nothing/],
      ],
    ],
    ["github", "a NOT", [[2, 5, /NOT has nothing/]]],
    ["github", "NOT AND a", [[0, 3, /NOT has nothing/]]],
    ["github", "type:symbl x", [[5, 10, /Did you mean type:symbol\?/]]],
    ["github", "is:odd", [[3, 6, /Use one of generated/]]],
    ["github", "case:maybe x", [[5, 10, /yes, no, auto/]]],
    ["github", "archived:perhaps", [[9, 16, /yes, no/]]],
    ["github", "-case:yes x", [[1, 9, /no term to negate/]]],
    ["github", "a OR type:path", [[5, 14, /whole query/]]],
    ["github", "type:path type:file", [[10, 19, /one type:/]]],
    ["github", "case:yes case:no a", [[9, 16, /one case:/]]],
    ["github", "diff:a..b..c", [[5, 12, /range of revisions/]]],
    ["github", "diff:..b", [[5, 8, /range of revisions/]]],
    [
      "github",
      "nope:1 /(/ (a is:odd",
      [
        [0, 5, /no field/],
        [8, 9, /missing closing \)/],
        [11, 12, /not closed/],
        [17, 20, /no value/],
      ],
    ],
    ["zoekt", "foo( bar", [[3, 4, /missing closing \)/]]],
    ["zoekt", '"open', [[0, 5, /quotes are not closed/]]],
    ["zoekt", 'x "a\\\\1"', [[4, 8, /backreference/]]],
    ["zoekt", "meta.team:core x", [[0, 10, /no field meta\.team:/]]],
    ["zoekt", "a or", [[2, 4, /OR has nothing/]]],
    ["zoekt", "a \\1", [[2, 4, /backreference/]]],
    ["zoekt", "f:a**", [[3, 5, /nested repetition/]]],
    ["github", "qqqqqqq:x", [[0, 8, /^(?!.*covered).*Fields are /]]],
    ["github", "coverd:x", [[0, 7, /^There is no field coverd:\.(?!.*covered)/]]],
  ])("%s: %s", (syntax, text, expected) => {
    const { problems } = parseQuery(text, syntax);
    const found = problems ?? [];
    expect(found.map(({ start, end }) => [start, end])).toEqual(
      expected.map(([start, end]) => [start, end]),
    );
    for (const [index, [, , shape]] of expected.entries()) {
      expect(`${found[index]?.message} ${found[index]?.hint}`).toMatch(shape);
    }
  });

  it("has limits", () => {
    expect(parseQuery("x".repeat(MAX_QUERY_CHARS + 1)).problems?.[0]?.message).toMatch(
      /at most 4096 characters/,
    );
    const deep = `${"(".repeat(MAX_QUERY_DEPTH + 2)}x${")".repeat(MAX_QUERY_DEPTH + 2)}`;
    expect(parseQuery(deep).problems?.[0]?.message).toMatch(/nests deeper than 40/);
    expect(parseQuery(`${"-".repeat(2_000)}x`, "zoekt").problems?.[0]?.message).toMatch(
      /nests deeper/,
    );
    expect(parseQuery("x ".repeat(MAX_QUERY_LEAVES)).problems).toBeNull();
    expect(parseQuery("x ".repeat(MAX_QUERY_LEAVES + 1)).problems?.[0]?.message).toMatch(
      /at most 100 terms/,
    );
    expect(parseQuery("x".repeat(1_001)).problems?.[0]?.message).toMatch(/at most 1000/);
  });
});

describe("where leaves stand", () => {
  it("is their span in the text", () => {
    const text = 'a (path:"b c" OR -/d e/) lang:go';
    const { query } = parseQuery(text);
    const leaves = query === null ? [] : [...leavesOf(query)];
    expect(
      leaves.map(({ leaf, negated }) => (negated ? "not " : "") + text.slice(leaf.start, leaf.end)),
    ).toEqual(["a", 'path:"b c"', "not /d e/", "lang:go"]);
    expect(query && [query.start, query.end]).toEqual([0, text.length]);
  });
});

describe("a query that only excludes", () => {
  it.each<[string, boolean]>([
    ["-a", true],
    ["NOT (a OR b)", true],
    ["-a -path:b", true],
    ["a OR -b", true],
    ["case:yes -a", true],
    ["a -b", false],
    ["(a OR b) -c", false],
  ])("%s says that it scans: %s", (text, scans) => {
    const { problems, notes } = parseQuery(text);
    expect(problems).toBeNull();
    expect(notes.some(({ message }) => /every file is read/.test(message))).toBe(scans);
  });
});

describe("any text", () => {
  const pieces = fc.constantFrom(
    ..."ab()\"'/\\-:|*[]{} \n",
    "AND",
    "OR",
    "or",
    "NOT ",
    "path:",
    "r:",
    "case:no ",
    "type:path ",
    "is:",
    "é",
    "😀",
    "diff:",
  );
  const noise = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(pieces, { maxLength: 30 }).map((each) => each.join("")),
  );

  it.each(SYNTAXES)("is read without throwing, in %s", (syntax) => {
    const property = fc.property(noise, (text) => {
      const { query, problems } = parseQuery(text, syntax);
      expect(query === null).toBe((problems ?? []).length > 0);
      for (const { start, end, message, hint } of problems ?? []) {
        expect(start).toBeGreaterThanOrEqual(0);
        expect(end).toBeGreaterThanOrEqual(start);
        expect(end).toBeLessThanOrEqual(text.length);
        expect(message.length * hint.length).toBeGreaterThan(0);
      }
      if (query === null) return;
      for (const { leaf } of leavesOf(query)) expect(leaf.end).toBeGreaterThan(leaf.start);
      const printed = printQuery(query, syntax);
      const again = parseQuery(printed, syntax).query;
      expect(again && withoutSpans(again)).toEqual(withoutSpans(query));
    });
    fc.assert(property, { numRuns: 4_000 });
  });

  it.each(SYNTAXES)("that a tree is printed as parses into the tree, in %s", (syntax) => {
    const property = fc.property(queryTree(syntax), (tree) => {
      const printed = printQuery(tree, syntax);
      const { query, problems } = parseQuery(printed, syntax);
      expect(problems, printed).toBeNull();
      expect(query && withoutSpans(query), printed).toEqual(withoutSpans(tree));
    });
    fc.assert(property, { numRuns: 3_000 });
  });
});
