/** The languages that files are told apart by: how they are recognized, and which have a grammar. */

export type LanguageKind = "programming" | "markup" | "data" | "prose";

export interface Language {
  /** Stands for the language in queries and in storage. */
  readonly id: string;
  readonly name: string;
  readonly kind: LanguageKind;
  /** Without the dot; `d.ts` is not needed beside `ts`. */
  readonly extensions: readonly string[];
  readonly filenames: readonly string[];
  /** What a shebang names, without version numbers. */
  readonly interpreters: readonly string[];
  readonly aliases: readonly string[];
  /** The tree-sitter grammar that parses it, if there is one. */
  readonly grammar: string | null;
}

interface Row {
  readonly kind?: LanguageKind;
  readonly ext?: string;
  readonly files?: string;
  readonly run?: string;
  readonly alias?: string;
  readonly grammar?: string | true;
}

const words = (list = "") => list.split(" ").filter((word) => word !== "");

function language([id, name, row]: readonly [id: string, name: string, row: Row]): Language {
  return {
    id,
    name,
    kind: row.kind ?? "programming",
    extensions: words(row.ext),
    filenames: words(row.files),
    interpreters: words(row.run),
    aliases: words(row.alias),
    grammar: row.grammar === true ? id : (row.grammar ?? null),
  };
}

const ROWS: readonly (readonly [id: string, name: string, row: Row])[] = [
  // With a grammar.
  [
    "typescript",
    "TypeScript",
    { ext: "ts mts cts", run: "deno ts-node tsx", alias: "ts", grammar: true },
  ],
  ["tsx", "TSX", { ext: "tsx", grammar: true }],
  [
    "javascript",
    "JavaScript",
    {
      ext: "js mjs cjs jsx es6 jsm",
      files: "Jakefile",
      run: "node nodejs bun",
      alias: "js node jsx",
      grammar: true,
    },
  ],
  [
    "python",
    "Python",
    {
      ext: "py pyi pyw pyx gyp wsgi",
      files: "SConstruct SConscript wscript Snakefile",
      run: "python pypy uv",
      alias: "py",
      grammar: true,
    },
  ],
  ["go", "Go", { ext: "go", alias: "golang", grammar: true }],
  ["css", "CSS", { kind: "markup", ext: "css", grammar: true }],
  [
    "bash",
    "Shell",
    {
      ext: "sh bash zsh ksh bats ebuild command",
      files:
        ".bashrc .bash_profile .bash_aliases .profile .zshrc .zshenv .zprofile PKGBUILD APKBUILD gradlew mvnw",
      run: "sh bash zsh dash ash ksh",
      alias: "sh shell zsh",
      grammar: true,
    },
  ],
  ["c", "C", { ext: "c h idc", run: "tcc", grammar: true }],
  ["rust", "Rust", { ext: "rs", run: "rust-script", alias: "rs", grammar: true }],
  [
    "php",
    "PHP",
    { ext: "php php3 php4 php5 phtml phpt", files: ".php_cs", run: "php", grammar: true },
  ],
  [
    "json",
    "JSON",
    {
      kind: "data",
      ext: "json jsonc json5 geojson webmanifest topojson har avsc jsonl ndjson sarif importmap",
      files:
        ".prettierrc .eslintrc .babelrc .jshintrc .watchmanconfig composer.lock Pipfile.lock flake.lock deno.lock .swcrc",
      grammar: true,
    },
  ],
  ["java", "Java", { ext: "java jav", grammar: true }],
  ["csharp", "C#", { ext: "cs csx", run: "dotnet-script", alias: "c# cs", grammar: "c-sharp" }],
  [
    "cpp",
    "C++",
    {
      ext: "cpp cc cxx c++ hpp hh hxx h++ ipp tpp inl ino cu cuh",
      alias: "c++ cplusplus",
      grammar: true,
    },
  ],
  [
    "ruby",
    "Ruby",
    {
      ext: "rb rake gemspec ru podspec jbuilder thor builder",
      files:
        "Rakefile Gemfile Guardfile Podfile Vagrantfile Brewfile Fastfile Capfile Dangerfile Berksfile Appraisals .irbrc .pryrc",
      run: "ruby jruby rake",
      alias: "rb",
      grammar: true,
    },
  ],
  ["html", "HTML", { kind: "markup", ext: "html htm xhtml", alias: "xhtml", grammar: true }],
  [
    "yaml",
    "YAML",
    {
      kind: "data",
      ext: "yaml yml",
      files: ".clang-format .clang-tidy .gemrc CITATION.cff pubspec.lock",
      alias: "yml",
      grammar: true,
    },
  ],
  ["dart", "Dart", { ext: "dart", run: "dart", grammar: true }],
  ["elixir", "Elixir", { ext: "ex exs", files: "mix.lock", run: "elixir", grammar: true }],
  ["kotlin", "Kotlin", { ext: "kt kts ktm", run: "kotlin", alias: "kt", grammar: true }],
  [
    "lua",
    "Lua",
    { ext: "lua rockspec wlua", files: ".luacheckrc", run: "lua luajit texlua", grammar: true },
  ],
  ["scala", "Scala", { ext: "scala sc sbt kojo", run: "scala", grammar: true }],
  ["swift", "Swift", { ext: "swift", run: "swift", grammar: true }],
  [
    "toml",
    "TOML",
    {
      kind: "data",
      ext: "toml",
      files: "Cargo.lock poetry.lock uv.lock pdm.lock Pipfile Gopkg.lock",
      grammar: true,
    },
  ],
  ["vue", "Vue", { kind: "markup", ext: "vue", grammar: true }],
  ["zig", "Zig", { ext: "zig zon", grammar: true }],
  // Without one.
  ["ada", "Ada", { ext: "adb ads ada" }],
  ["apex", "Apex", { ext: "apex trigger" }],
  ["assembly", "Assembly", { ext: "asm s nasm", alias: "asm nasm" }],
  ["astro", "Astro", { kind: "markup", ext: "astro" }],
  ["awk", "Awk", { ext: "awk gawk", run: "awk gawk mawk" }],
  ["batchfile", "Batchfile", { ext: "bat cmd", alias: "bat batch" }],
  [
    "bazel",
    "Starlark",
    { ext: "bzl star bazel", files: "BUILD WORKSPACE Tiltfile", alias: "starlark bzl" },
  ],
  ["bicep", "Bicep", { ext: "bicep" }],
  ["clojure", "Clojure", { ext: "clj cljs cljc edn", run: "bb clojure", alias: "clj" }],
  ["cmake", "CMake", { ext: "cmake", files: "CMakeLists.txt" }],
  ["cobol", "COBOL", { ext: "cob cbl cobol cpy" }],
  [
    "coffeescript",
    "CoffeeScript",
    { ext: "coffee litcoffee", files: "Cakefile", run: "coffee", alias: "coffee" },
  ],
  ["common-lisp", "Common Lisp", { ext: "lisp lsp cl asd", run: "sbcl clisp", alias: "lisp" }],
  ["coq", "Rocq Prover", { ext: "coq", alias: "rocq" }],
  ["crystal", "Crystal", { ext: "cr", run: "crystal" }],
  ["csv", "CSV", { kind: "data", ext: "csv tsv" }],
  ["cython", "Cython", { ext: "pxd pxi" }],
  ["d", "D", { ext: "d di" }],
  ["diff", "Diff", { kind: "data", ext: "diff patch", alias: "patch" }],
  [
    "dockerfile",
    "Dockerfile",
    { ext: "dockerfile containerfile", files: "Dockerfile Containerfile", alias: "docker" },
  ],
  ["dotenv", "Dotenv", { kind: "data", ext: "env", files: ".env" }],
  ["editorconfig", "EditorConfig", { kind: "data", files: ".editorconfig" }],
  ["elm", "Elm", { ext: "elm" }],
  ["emacs-lisp", "Emacs Lisp", { ext: "el", files: ".emacs", alias: "elisp" }],
  ["erlang", "Erlang", { ext: "erl hrl", files: "rebar.config rebar.lock", run: "escript" }],
  ["fennel", "Fennel", { ext: "fnl", run: "fennel" }],
  ["fish", "fish", { ext: "fish", run: "fish" }],
  ["fortran", "Fortran", { ext: "f f77 f90 f95 f03 f08 for" }],
  ["fsharp", "F#", { ext: "fs fsi fsx", alias: "f#" }],
  ["gdscript", "GDScript", { ext: "gd" }],
  ["gherkin", "Gherkin", { ext: "feature", alias: "cucumber" }],
  ["git-config", "Git Config", { kind: "data", files: ".gitconfig .gitmodules .gitattributes" }],
  ["gleam", "Gleam", { ext: "gleam" }],
  ["glsl", "GLSL", { ext: "glsl vert frag geom comp vsh fsh" }],
  ["go-module", "Go Module", { kind: "data", files: "go.mod go.work" }],
  ["go-checksums", "Go Checksums", { kind: "data", files: "go.sum go.work.sum" }],
  ["graphql", "GraphQL", { kind: "data", ext: "graphql gql graphqls" }],
  ["groovy", "Groovy", { ext: "groovy gradle gvy", files: "Jenkinsfile", run: "groovy" }],
  ["handlebars", "Handlebars", { kind: "markup", ext: "hbs handlebars", alias: "hbs mustache" }],
  ["haskell", "Haskell", { ext: "hs lhs hsc cabal", run: "runhaskell runghc stack", alias: "hs" }],
  ["haxe", "Haxe", { ext: "hx" }],
  [
    "hcl",
    "HCL",
    { ext: "hcl tf tfvars nomad", files: ".terraform.lock.hcl", alias: "terraform tf" },
  ],
  ["hlsl", "HLSL", { ext: "hlsl fx fxh" }],
  [
    "ignore-list",
    "Ignore List",
    {
      kind: "data",
      files: ".gitignore .dockerignore .npmignore .eslintignore .prettierignore .helmignore",
    },
  ],
  [
    "ini",
    "INI",
    {
      kind: "data",
      ext: "ini cfg conf properties prefs",
      files: ".npmrc .pylintrc .flake8 .coveragerc",
    },
  ],
  ["jinja", "Jinja", { kind: "markup", ext: "jinja jinja2 j2", alias: "jinja2 django" }],
  ["julia", "Julia", { ext: "jl", run: "julia" }],
  ["jupyter", "Jupyter Notebook", { kind: "markup", ext: "ipynb" }],
  ["just", "Just", { ext: "just", files: "justfile Justfile .justfile" }],
  ["less", "Less", { kind: "markup", ext: "less" }],
  ["liquid", "Liquid", { kind: "markup", ext: "liquid" }],
  ["llvm", "LLVM", { ext: "ll" }],
  [
    "makefile",
    "Makefile",
    {
      ext: "mk mak make",
      files: "Makefile GNUmakefile makefile Kbuild",
      run: "make",
      alias: "make",
    },
  ],
  [
    "markdown",
    "Markdown",
    { kind: "prose", ext: "md markdown mkd mdown mdx livemd", alias: "md mdx" },
  ],
  ["matlab", "MATLAB", { ext: "matlab mlx" }],
  ["meson", "Meson", { files: "meson.build meson_options.txt" }],
  ["mojo", "Mojo", { ext: "mojo" }],
  ["move", "Move", { ext: "move" }],
  ["nginx", "Nginx", { kind: "data", ext: "nginx nginxconf", files: "nginx.conf" }],
  ["nim", "Nim", { ext: "nim nims nimble" }],
  ["nix", "Nix", { ext: "nix" }],
  ["objective-c", "Objective-C", { ext: "m", alias: "objc obj-c" }],
  ["objective-cpp", "Objective-C++", { ext: "mm", alias: "objc++" }],
  ["ocaml", "OCaml", { ext: "ml mli mll mly eliom", run: "ocaml" }],
  ["odin", "Odin", { ext: "odin" }],
  ["pascal", "Pascal", { ext: "pas pp dpr lpr", run: "instantfpc", alias: "delphi" }],
  ["perl", "Perl", { ext: "pl pm pod t psgi perl", files: "cpanfile Makefile.PL", run: "perl" }],
  ["powershell", "PowerShell", { ext: "ps1 psm1 psd1", run: "pwsh", alias: "pwsh ps1" }],
  ["prisma", "Prisma", { kind: "data", ext: "prisma" }],
  ["prolog", "Prolog", { ext: "prolog pro yap", run: "swipl" }],
  ["protobuf", "Protocol Buffer", { kind: "data", ext: "proto", alias: "proto" }],
  ["pug", "Pug", { kind: "markup", ext: "pug jade" }],
  ["puppet", "Puppet", { ext: "epp" }],
  ["purescript", "PureScript", { ext: "purs" }],
  ["qml", "QML", { ext: "qml qbs" }],
  ["r", "R", { ext: "r rmd rsx", files: ".Rprofile", run: "Rscript", alias: "rscript" }],
  ["racket", "Racket", { ext: "rkt rktd scrbl", run: "racket" }],
  ["razor", "Razor", { kind: "markup", ext: "cshtml razor" }],
  ["rescript", "ReScript", { ext: "res resi" }],
  ["requirements", "Pip Requirements", { kind: "data", files: "requirements.txt" }],
  ["rst", "reStructuredText", { kind: "prose", ext: "rst", alias: "restructuredtext" }],
  ["sass", "Sass", { kind: "markup", ext: "sass" }],
  ["scheme", "Scheme", { ext: "scm ss sld", run: "guile scheme csi" }],
  ["scss", "SCSS", { kind: "markup", ext: "scss" }],
  ["sed", "sed", { ext: "sed", run: "sed gsed" }],
  ["smali", "Smali", { ext: "smali" }],
  ["solidity", "Solidity", { ext: "sol" }],
  ["sql", "SQL", { kind: "data", ext: "sql ddl dml pgsql plsql psql mysql tsql" }],
  ["standard-ml", "Standard ML", { ext: "sml sig fun", alias: "sml" }],
  ["stylus", "Stylus", { kind: "markup", ext: "styl" }],
  ["svelte", "Svelte", { kind: "markup", ext: "svelte" }],
  ["svg", "SVG", { kind: "data", ext: "svg" }],
  ["systemverilog", "SystemVerilog", { ext: "sv svh", alias: "sv" }],
  ["tcl", "Tcl", { ext: "tcl adp", run: "tclsh wish" }],
  ["tex", "TeX", { kind: "markup", ext: "tex sty cls bib ltx", alias: "latex" }],
  [
    "text",
    "Text",
    {
      kind: "prose",
      ext: "txt text",
      files: "LICENSE COPYING NOTICE AUTHORS README CHANGELOG INSTALL TODO",
      alias: "plain",
    },
  ],
  ["thrift", "Thrift", { ext: "thrift" }],
  ["twig", "Twig", { kind: "markup", ext: "twig" }],
  ["typst", "Typst", { ext: "typ" }],
  ["v", "V", { alias: "vlang" }],
  ["vala", "Vala", { ext: "vala vapi" }],
  ["vbnet", "Visual Basic .NET", { ext: "vb", alias: "vb" }],
  ["verilog", "Verilog", { ext: "v veo vh" }],
  ["vhdl", "VHDL", { ext: "vhd vhdl" }],
  [
    "vim-script",
    "Vim Script",
    { ext: "vim vimrc", files: ".vimrc _vimrc .gvimrc", alias: "vim viml" },
  ],
  ["wasm-text", "WebAssembly", { ext: "wat wast", alias: "wat" }],
  ["wgsl", "WGSL", { ext: "wgsl" }],
  ["wit", "WebAssembly Interface Type", { kind: "data", ext: "wit" }],
  [
    "xml",
    "XML",
    {
      kind: "data",
      ext: "xml xsd xsl xslt plist csproj vbproj fsproj props targets resx xaml storyboard xib rss atom wsdl nuspec",
      files: "pom.xml .classpath .project",
    },
  ],
  ["capnp", "Cap'n Proto", { ext: "capnp" }],
  ["asciidoc", "AsciiDoc", { kind: "prose", ext: "adoc asciidoc asc" }],
  ["org", "Org", { kind: "prose", ext: "org" }],
  ["erb", "ERB", { kind: "markup", ext: "erb" }],
  ["lean", "Lean", { ext: "lean" }],
];

/** Every language known, those with a grammar first. */
export const LANGUAGES: readonly Language[] = ROWS.map(language);

type Key = "extensions" | "filenames" | "interpreters";

function indexBy(key: Key): ReadonlyMap<string, Language> {
  return new Map(LANGUAGES.flatMap((entry) => entry[key].map((word) => [word, entry] as const)));
}

const BY_EXTENSION = indexBy("extensions");
const BY_FILENAME = indexBy("filenames");
const BY_INTERPRETER = indexBy("interpreters");
const BY_NAME: ReadonlyMap<string, Language> = new Map(
  LANGUAGES.flatMap((entry) =>
    [entry.id, entry.name.toLowerCase(), ...entry.aliases].map((word) => [word, entry] as const),
  ),
);

/** The language with this id, name or alias, ignoring case; a dash may stand for a space. */
export function languageNamed(name: string): Language | null {
  const key = name.toLowerCase();
  return BY_NAME.get(key) ?? BY_NAME.get(key.replaceAll("-", " ")) ?? null;
}

export function languageOfFilename(filename: string): Language | null {
  const language = BY_FILENAME.get(filename);
  if (language) return language;
  // Dockerfile.dev, Makefile.linux, .env.local.
  const stem = /^(Dockerfile|Containerfile|Makefile|Jenkinsfile|\.env)\./.exec(filename)?.[1];
  return (stem && BY_FILENAME.get(stem)) || null;
}

export function languageOfExtension(extension: string): Language | null {
  return BY_EXTENSION.get(extension.toLowerCase()) ?? null;
}

/** The language an interpreter runs; `python3.12` is python. */
export function languageOfInterpreter(interpreter: string): Language | null {
  return (
    BY_INTERPRETER.get(interpreter) ??
    BY_INTERPRETER.get(interpreter.replace(/[-\d.]+$/, "")) ??
    null
  );
}
