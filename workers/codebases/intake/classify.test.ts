import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { classify } from "./classify.ts";
import { LANGUAGES, languageNamed, languageOfExtension } from "./languages.ts";

const bytes = (text: string) => new TextEncoder().encode(text);
const languageOf = (path: string, text = "") => classify(path, bytes(text)).language?.id ?? null;
const flagsOf = (path: string, text = "") => {
  const {
    language: _,
    text: __,
    encoding: ___,
    lines: ____,
    detectable: _____,
    ...flags
  } = classify(path, bytes(text));
  return Object.entries(flags)
    .filter(([, isSet]) => isSet)
    .map(([flag]) => flag);
};

describe("the table of languages", () => {
  it("has one language for each word", () => {
    for (const key of ["extensions", "filenames", "interpreters"] as const) {
      const all = LANGUAGES.flatMap((language) => language[key]);
      expect(all.filter((word, at) => all.indexOf(word) !== at)).toEqual([]);
    }
    const names = LANGUAGES.flatMap(({ id, name, aliases }) => [
      ...new Set([id, name.toLowerCase(), ...aliases]),
    ]);
    expect(names.filter((word, at) => names.indexOf(word) !== at)).toEqual([]);
  });

  it("covers 26 grammars and more than a hundred languages", () => {
    const grammars = LANGUAGES.flatMap(({ grammar }) => grammar ?? []);
    expect(new Set(grammars).size).toBe(26);
    expect(LANGUAGES.length).toBeGreaterThan(100);
    expect(languageNamed("C++")?.id).toBe("cpp");
    expect(languageNamed("Common-Lisp")?.id).toBe("common-lisp");
    expect(languageOfExtension("TS")?.id).toBe("typescript");
    expect(languageNamed("no such")).toBeNull();
  });
});

describe("the language of a file", () => {
  it.each([
    ["src/a.ts", "", "typescript"],
    ["a.d.ts", "", "typescript"],
    ["A.TSX", "", "tsx"],
    ["Dockerfile", "", "dockerfile"],
    ["docker/Dockerfile.dev", "", "dockerfile"],
    [".env.local", "", "dotenv"],
    ["CMakeLists.txt", "", "cmake"],
    ["config.yml.example", "", "yaml"],
    ["bin/tool", "#!/usr/bin/env python3.12\n", "python"],
    ["bin/tool", "#!/usr/bin/env -S deno run -A\n", "typescript"],
    ["bin/tool", "#!/bin/bash -eu\n", "bash"],
    ["bin/tool", "#! /usr/local/bin/node\n", "javascript"],
    ["bin/tool", "no shebang", null],
    ["x.inc", "<?php // -*- mode: php; tab-width: 2 -*-\n", "php"],
    ["rules", "# -*- ruby -*-\n", "ruby"],
    ["conf", "a\nb\n# vim: set ts=2 ft=lua et:\n", "lua"],
    ["a.h", "int f(void);\n", "c"],
    ["a.h", "namespace x {\nclass A {\npublic:\n};\n}\n", "cpp"],
    ["a.h", "#import <Foundation/Foundation.h>\n@interface A\n@end\n", "objective-c"],
    ["a.m", "% comment\nfunction y = f(x)\nend\n", "matlab"],
    ["a.m", '#import "A.h"\n@implementation A\n', "objective-c"],
    ["a.pl", "use strict;\nmy $x = 1;\n", "perl"],
    ["a.pl", "likes(a, b) :- true.\n", "prolog"],
    ["a.v", "module top(input a);\nendmodule\n", "verilog"],
    ["a.v", "Theorem x : True.\nProof.\n", "coq"],
    ["a.ts", '<?xml version="1.0"?>\n<!DOCTYPE TS>\n<TS/>\n', "xml"],
    ["unknown.zzz", "", null],
    ["a.__proto__", "", null],
    ["a.constructor", "", null],
  ])("%s %j is %s", (path, text, expected) => {
    expect(languageOf(path, text)).toBe(expected);
  });

  it("is the one that attributes say", () => {
    const language = (name: string) =>
      classify("a.inc", bytes(""), { language: name }).language?.id;
    expect([language("PHP"), language("objective-c++"), language("none")]).toEqual([
      "php",
      "objective-cpp",
      undefined,
    ]);
  });
});

describe("the content of a file", () => {
  const encodingOf = (content: Uint8Array) => classify("a", content).encoding;

  it("is text in UTF-8, in UTF-16 with a mark, and in older 8-bit codes", () => {
    expect(encodingOf(bytes("żółć\n"))).toBe("utf-8");
    expect(encodingOf(new Uint8Array(0))).toBe("utf-8");
    expect(classify("a", bytes("\uFEFFa")).text).toBe("a");
    const wide = Buffer.from("\uFEFFü\n", "utf16le");
    expect(classify("a", wide)).toMatchObject({ text: "ü\n", encoding: "utf-16le", lines: 1 });
    expect(classify("a", Buffer.from(wide).swap16())).toMatchObject({ encoding: "utf-16be" });
    const legacy = Buffer.from("// Für alle\nint x;\n", "latin1");
    expect(classify("a.c", legacy)).toMatchObject({ text: "// Für alle\nint x;\n", binary: false });
  });

  it("is binary when it holds NULs or no text at all", () => {
    const binary = (content: Uint8Array) => classify("a", content).binary;
    expect(binary(Buffer.from("PNG\0"))).toBe(true);
    expect(binary(new Uint8Array([0xff, 0xfe, 0, 0, 0x61, 0, 0, 0]))).toBe(true);
    expect(binary(new Uint8Array([0xff, 0xfe, 0x00, 0xdc]))).toBe(true);
    expect(binary(Uint8Array.from({ length: 500 }, (_, at) => 0x80 + (at % 120)))).toBe(true);
    expect(binary(new Uint8Array([0x01, 0xff, 0x41]))).toBe(true);
    expect(classify("a.txt", bytes("text"), { binary: true })).toMatchObject({
      binary: true,
      text: null,
    });
    expect(classify("a.ts", null)).toMatchObject({ binary: false, text: null, lines: 0 });
  });

  it("is counted in lines", () => {
    const lines = (text: string) => classify("a", bytes(text)).lines;
    expect([lines(""), lines("a"), lines("a\n"), lines("a\n\nb"), lines("\n\n")]).toEqual([
      0, 1, 1, 3, 2,
    ]);
  });

  it("never stops classification", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.string(), (content, name) => {
        const { binary, text, encoding } = classify(name, content);
        expect(binary).toBe(text === null);
        expect(encoding === null).toBe(binary);
      }),
    );
  });
});

describe("the role of a file", () => {
  it.each([
    ["src/main.ts", "", []],
    ["node_modules/a/index.js", "", ["vendored"]],
    ["third_party/zlib/zlib.h", "", ["vendored"]],
    ["src/a.test.ts", "", ["test"]],
    ["pkg/a_test.go", "", ["test"]],
    ["test_a.py", "", ["test"]],
    ["src/FooTest.java", "", ["test"]],
    ["src/latest.ts", "", []],
    ["src/contest.py", "", []],
    ["src/Attest.java", "", []],
    ["tests/run.sh", "", ["test"]],
    ["package-lock.json", "{}", ["generated", "lockfile"]],
    ["Cargo.lock", "", ["generated", "lockfile"]],
    ["README.md", "", ["documentation"]],
    ["docs/conf.py", "", ["documentation"]],
    ["LICENSE", "", ["documentation"]],
    ["a.pb.go", "", ["generated"]],
    ["api_pb2.py", "", ["generated"]],
    ["lib/jquery-3.1.0.min.js", "", ["generated", "vendored"]],
    ["a.go", "// Code generated by stringer; DO NOT EDIT.\n\npackage a\n", ["generated"]],
    ["a.ts", "/**\n * @generated by tool\n */\n", ["generated"]],
    ["a.py", "# Generated from a.g4 by ANTLR.\n# Do not edit.\n", ["generated"]],
    ["a.rb", "# Finds code that is generated by users.\n", []],
    ["a.css", `a{}${" ".repeat(5_001)}`, ["minified"]],
    ["b.css", `${"a{}\n".repeat(2_000)}`, []],
  ])("%s is %j", (path, text, expected) => {
    expect(flagsOf(path, text)).toEqual(expected);
  });

  it("is the one that attributes say", () => {
    const said = { generated: false, vendored: false, documentation: true, detectable: true };
    expect(classify("vendor/a.pb.go", bytes(""), said)).toMatchObject(said);
  });

  it("decides whether its language counts", () => {
    const counts = (path: string) => classify(path, bytes("")).detectable;
    expect([counts("a.ts"), counts("vendor/a.ts"), counts("a.json"), counts("a.md")]).toEqual([
      true,
      false,
      false,
      false,
    ]);
  });
});
