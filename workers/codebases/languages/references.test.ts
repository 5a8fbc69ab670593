import { describe, expect, it } from "vitest";
import type { CodeReference, CodeSymbol } from "./parsed-file.ts";
import {
  MAX_DEFINERS,
  ReferenceResolver,
  type ResolvableFile,
  WholeSnapshot,
} from "./references.ts";
import { OUTSIDE, type Resolution } from "./resolve/resolution.ts";

type SymbolSpec = Partial<CodeSymbol> & { name: string };
type ReferenceSpec = Partial<CodeReference> & { name: string };
interface FileSpec {
  language?: string;
  symbols?: SymbolSpec[];
  references?: ReferenceSpec[];
  imports?: [names: string, target: string | Resolution | null][];
}

const to = (path: string, isFolder = false): Resolution => ({
  path,
  isFolder,
  confidence: "exact",
});

interface TestFile extends ResolvableFile {
  readonly references: readonly CodeReference[];
}

function file(path: string, spec: FileSpec): TestFile {
  return {
    path,
    language: spec.language ?? "typescript",
    symbols: (spec.symbols ?? []).map((symbol) => ({
      kind: "function",
      start: 0,
      end: 1,
      line: 1,
      column: 1,
      end_line: 1,
      container: null,
      signature: symbol.name,
      exported: true,
      doc: null,
      ...symbol,
    })),
    references: (spec.references ?? []).map((reference) => ({
      kind: "call",
      line: 1,
      column: 1,
      container: null,
      qualifier: null,
      ...reference,
    })),
    imports: (spec.imports ?? []).map(([names, target], index) => ({
      module: `module${index}`,
      line: 1,
      names: names.split(",").map((name) => {
        const [original = "", alias = null] = name.split("=");
        return { name: original, alias };
      }),
      resolutions: names
        .split(",")
        .map(() => (target === null ? OUTSIDE : typeof target === "string" ? to(target) : target)),
    })),
  };
}

/** What the references of the file `from` mean, as `path#name confidence`. */
function resolve(files: Record<string, FileSpec>, from = "src/a.ts"): (string | null)[] {
  const all = Object.entries(files).map(([path, spec]) => file(path, spec));
  const resolver = new ReferenceResolver(new WholeSnapshot(all));
  const { references } = all.find(({ path }) => path === from) ?? file(from, {});
  const resolved = resolver.resolve(from, references);
  return references.map((_, index) => {
    const found = resolved.find(({ reference }) => reference === index);
    if (found === undefined) return null;
    const { path } = found.definition;
    return `${path}#${resolver.symbol(found.definition)?.name} ${found.confidence}`;
  });
}

describe("a reference", () => {
  it("means its own file first, from the inside out", () => {
    const files = {
      "src/a.ts": {
        symbols: [
          { name: "outer" },
          { name: "inner", container: 0 },
          { name: "Box", kind: "class" },
          { name: "open", kind: "method", container: 2 },
        ],
        references: [
          { name: "inner", container: 0 },
          { name: "outer", container: 1 },
          { name: "open", container: 3, qualifier: "this" },
          { name: "open", container: 0 },
          { name: "open", container: 0, qualifier: "Box" },
        ],
      },
      "src/b.ts": { symbols: [{ name: "outer" }] },
    };
    expect(resolve(files)).toEqual([
      "src/a.ts#inner exact",
      "src/a.ts#outer exact",
      "src/a.ts#open exact",
      null,
      "src/a.ts#open exact",
    ]);
  });

  it("means what the file imports, by its own name and by an alias", () => {
    const files = {
      "src/a.ts": {
        imports: [
          ["read,write=put", "lib/io.ts"],
          ["*=io", "lib/io.ts"],
          ["Store", "lib/io.ts"],
        ] as FileSpec["imports"],
        references: [
          { name: "read" },
          { name: "put" },
          { name: "write", qualifier: "io" },
          { name: "open", qualifier: "Store" },
          { name: "hidden", qualifier: "io" },
        ],
      },
      "lib/io.ts": {
        symbols: [
          { name: "read" },
          { name: "write" },
          { name: "Store", kind: "class" },
          { name: "open", kind: "method", container: 2, exported: null },
          { name: "hidden", exported: false },
        ],
      },
      "other/io.ts": { symbols: [{ name: "read" }, { name: "write" }] },
    } as Record<string, FileSpec>;
    expect(resolve(files)).toEqual([
      "lib/io.ts#read exact",
      "lib/io.ts#write exact",
      "lib/io.ts#write exact",
      "lib/io.ts#open exact",
      null,
    ]);
  });

  it("follows what is passed on, and ends in a circle", () => {
    const files: Record<string, FileSpec> = {
      "src/a.ts": {
        imports: [["deep,renamed,lost", "src/index.ts"]],
        references: [{ name: "deep" }, { name: "renamed" }, { name: "lost" }],
      },
      "src/index.ts": {
        imports: [
          ["*", "src/b.ts"],
          ["original=renamed", "src/b.ts"],
          ["*", "src/index.ts"],
        ],
      },
      "src/b.ts": { symbols: [{ name: "deep" }, { name: "original" }] },
    };
    expect(resolve(files)).toEqual(["src/b.ts#deep exact", "src/b.ts#original exact", null]);
  });

  it("finds what is exported by default", () => {
    const files: Record<string, FileSpec> = {
      "src/a.ts": {
        imports: [
          ["default=Panel", "src/panel.ts"],
          ["default=anything", "src/only.ts"],
        ],
        references: [{ name: "Panel" }, { name: "anything" }],
      },
      "src/panel.ts": { symbols: [{ name: "Panel" }, { name: "other" }] },
      "src/only.ts": { symbols: [{ name: "main" }, { name: "helper", exported: false }] },
    };
    expect(resolve(files)).toEqual(["src/panel.ts#Panel exact", "src/only.ts#main exact"]);
  });

  it("means its package where a folder is one", () => {
    const files: Record<string, FileSpec> = {
      "pkg/a.go": {
        language: "go",
        imports: [["*=store", to("store", true)]],
        references: [{ name: "hidden" }, { name: "Open", qualifier: "store" }, { name: "twice" }],
      },
      "pkg/b.go": {
        language: "go",
        symbols: [{ name: "hidden", exported: false }, { name: "twice" }],
      },
      "pkg/b.py": { language: "python", symbols: [{ name: "hidden" }] },
      "pkg/c.go": { language: "go", symbols: [{ name: "twice" }] },
      "store/open.go": { language: "go", symbols: [{ name: "Open" }] },
    };
    expect(resolve(files, "pkg/a.go")).toEqual([
      "pkg/b.go#hidden exact",
      "store/open.go#Open exact",
      "pkg/b.go#twice ambiguous",
    ]);
  });

  it("means the only definition of a name, or the nearest of a few", () => {
    const files: Record<string, FileSpec> = {
      "src/a.ts": {
        references: [
          { name: "single" },
          { name: "few" },
          { name: "many" },
          { name: "secret" },
          { name: "run", qualifier: "job" },
          { name: "run" },
        ],
      },
      "src/x/b.ts": { symbols: [{ name: "few" }, { name: "secret", exported: false }] },
      "far/c.ts": {
        symbols: [
          { name: "single" },
          { name: "few" },
          { name: "Job", kind: "class" },
          { name: "run", kind: "method", container: 2, exported: null },
        ],
      },
    };
    for (let index = 0; index <= MAX_DEFINERS; index += 1) {
      files[`many/${index}.ts`] = { symbols: [{ name: "many" }] };
    }
    expect(resolve(files)).toEqual([
      "far/c.ts#single ambiguous",
      "src/x/b.ts#few ambiguous",
      null,
      null,
      "far/c.ts#run likely",
      null,
    ]);
  });

  it("means a type where a type stands, and a method only of something", () => {
    const files: Record<string, FileSpec> = {
      "run/a.go": {
        language: "go",
        symbols: [{ name: "bool", kind: "method", signature: "func (d *decoder) bool() bool" }],
        references: [
          { name: "bool", kind: "type" },
          { name: "bool", kind: "call" },
          { name: "bool", kind: "call", qualifier: "d" },
          { name: "uintptr", kind: "call" },
          { name: "uintptr", kind: "call", qualifier: "p" },
          { name: "Sum", kind: "call", qualifier: "p" },
        ],
      },
      "run/b.go": { language: "go", symbols: [{ name: "uintptr", kind: "method" }] },
      "far/c.go": { language: "go", symbols: [{ name: "Sum" }] },
    };
    expect(resolve(files, "run/a.go")).toEqual([
      null,
      null,
      "run/a.go#bool likely",
      null,
      "run/b.go#uintptr likely",
      null,
    ]);
  });

  it("means what it imports under another name, and what is outside of the snapshot", () => {
    const files: Record<string, FileSpec> = {
      "src/a.ts": {
        imports: [
          ["read=get", "lib/io.ts"],
          ["write=put", null],
        ],
        references: [
          { name: "read", kind: "import" },
          { name: "write", kind: "import" },
        ],
      },
      "lib/io.ts": { symbols: [{ name: "read" }] },
      "other/io.ts": { symbols: [{ name: "read" }, { name: "write" }] },
    };
    expect(resolve(files)).toEqual(["lib/io.ts#read exact", null]);
  });

  it("does not mean the snapshot when its import leads out of it", () => {
    const files: Record<string, FileSpec> = {
      "src/a.ts": {
        imports: [
          ["join", null],
          ["*=path", null],
        ],
        references: [{ name: "join" }, { name: "join", qualifier: "path" }],
      },
      "src/b.ts": { symbols: [{ name: "join" }] },
    };
    expect(resolve(files)).toEqual([null, null]);
  });

  it("is of its own languages", () => {
    const files: Record<string, FileSpec> = {
      "src/a.ts": { references: [{ name: "view" }, { name: "spam" }] },
      "ui/view.vue": { language: "vue", symbols: [{ name: "view" }] },
      "py/spam.py": { language: "python", symbols: [{ name: "spam" }] },
    };
    expect(resolve(files)).toEqual(["ui/view.vue#view ambiguous", null]);
  });
});
