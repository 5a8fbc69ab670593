/** Tells the language of a file by what it says of itself, then by its name. */
import {
  type Language,
  languageNamed,
  languageOfExtension,
  languageOfFilename,
  languageOfInterpreter,
} from "./languages.ts";

/** Modelines stand in the first or the last lines. */
const MODELINE_CHARS = 1_024;
const HEAD_CHARS = 16_384;

const EMACS_MODE =
  /-\*-[ \t]*(?:[^\n]{0,200}?\bmode:[ \t]*)?([\w+#-]{1,40})[ \t]*(?:;[^\n]{0,200})?-\*-/i;
const VIM_MODE = /\b(?:vim?|ex):[^\n]{0,200}?\b(?:ft|filetype|syntax)=([\w+#-]{1,40})/i;

/** The language of a file, or null; `text` is null when it is not known or binary. */
export function detectLanguage(path: string, text: string | null): Language | null {
  const filename = path.slice(path.lastIndexOf("/") + 1);
  if (text === null) return languageOfFilename(filename) ?? byExtension(filename, "");
  return (
    byModeline(text) ??
    languageOfFilename(filename) ??
    byShebang(text) ??
    byExtension(filename, text.slice(0, HEAD_CHARS))
  );
}

function byModeline(text: string): Language | null {
  const head = text.slice(0, MODELINE_CHARS);
  const tail = text.slice(Math.max(0, text.length - MODELINE_CHARS));
  const mode = EMACS_MODE.exec(head)?.[1] ?? VIM_MODE.exec(head)?.[1] ?? VIM_MODE.exec(tail)?.[1];
  return mode === undefined ? null : languageNamed(mode);
}

function byShebang(text: string): Language | null {
  if (!text.startsWith("#!")) return null;
  const line = text.slice(2, 256).split("\n", 1)[0] ?? "";
  const parts = line.trim().split(/\s+/);
  const program = parts[0]?.split("/").at(-1) ?? "";
  if (program !== "env") return languageOfInterpreter(program);
  // `env -S VAR=1 deno run` names it after options and variables.
  const named = parts.slice(1).find((part) => !part.startsWith("-") && !part.includes("="));
  return named === undefined ? null : languageOfInterpreter(named.split("/").at(-1) ?? "");
}

function byExtension(filename: string, head: string): Language | null {
  const dot = filename.lastIndexOf(".");
  if (dot < 0) return null;
  const extension = filename.slice(dot + 1).toLowerCase();
  const told = Object.hasOwn(SHARED, extension) ? SHARED[extension]?.(head) : null;
  if (told) return languageNamed(told);
  // Templates and examples of a file: config.yml.example, nginx.conf.in.
  if (/^(?:in|example|sample|template|dist|orig)$/.test(extension) && dot > 0) {
    const inner = filename.slice(0, dot);
    return languageOfFilename(inner) ?? byExtension(inner, head);
  }
  return languageOfExtension(extension);
}

const OBJECTIVE_C =
  /^[ \t]*(?:@(?:interface|implementation|protocol|class|import|property)\b|#import\b)/m;
const CPP =
  /^[ \t]*(?:(?:class|namespace|using|constexpr)[ \t]+\w|template[ \t]*<|(?:public|private|protected)[ \t]*:|#include[ \t]*<(?:\w+|c\w+)>)|\bstd::|\bextern "C\+\+"/m;

/** Extensions that languages share; each tells one by the head of the file, or leaves it open. */
const SHARED: Readonly<Record<string, (head: string) => string | null>> = {
  h: (head) => (OBJECTIVE_C.test(head) ? "objective-c" : CPP.test(head) ? "cpp" : null),
  m: (head) => {
    if (OBJECTIVE_C.test(head) || /^[ \t]*(?:#include|\/\/|\/\*)/m.test(head)) return null;
    return /^[ \t]*(?:%|function\b|classdef\b|end[ \t]*;?[ \t]*$)/m.test(head) ? "matlab" : null;
  },
  pl: (head) => {
    if (/^[ \t]*(?:use[ \t]+\w|my[ \t]+[$@%]|package[ \t]+\w|sub[ \t]+\w)/m.test(head)) return null;
    return /^(?::-|[a-z]\w*\([^\n]{0,200}\)[ \t]*:-)/m.test(head) ? "prolog" : null;
  },
  v: (head) => {
    if (/^[ \t]*(?:Require|Theorem|Lemma|Inductive|Proof|Definition|Module Type)\b/m.test(head))
      return "coq";
    return /^(?:module[ \t]+\w+[ \t]*$|import[ \t]+\w|(?:pub[ \t]+)?fn[ \t]+\w)/m.test(head)
      ? "v"
      : null;
  },
  // Translations of Qt and streams of video share it with TypeScript.
  ts: (head) => (/^\s{0,100}<(?:\?xml|!DOCTYPE TS|TS\b)/.test(head) ? "xml" : null),
  fs: (head) =>
    /^[ \t]*(?:#version|uniform[ \t]|varying[ \t]|void[ \t]+main[ \t]*\()/m.test(head)
      ? "glsl"
      : null,
  pp: (head) =>
    /^[ \t]*(?:class|define|node)[ \t]+[\w:'"]+[^\n]{0,200}\{/m.test(head) ? "puppet" : null,
  d: (head) => (/^[^\n:]{1,200}\.o[ \t]*:/.test(head) ? "makefile" : null),
};
