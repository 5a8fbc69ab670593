/** Runs a page's own script against a document of its ids, so that its behaviour is tested under Node. */
import { readFileSync } from "node:fs";
import { createContext, runInContext } from "node:vm";
import { assemble } from "./assemble.ts";

type Listener = (event: Record<string, unknown>) => unknown;

/** As much of an element as the pages use. */
export class PageNode {
  readonly tag: string;
  readonly attributes = new Map<string, string>();
  readonly classList = { toggle: () => undefined };
  readonly scrollHeight = 0;
  readonly scrollTop = 0;
  readonly clientHeight = 0;
  children: (PageNode | string)[] = [];
  hidden = false;
  disabled = false;
  value = "";
  className = "";
  title = "";
  tabIndex = -1;
  #listeners = new Map<string, Listener[]>();

  constructor(tag: string) {
    this.tag = tag;
  }

  get textContent(): string {
    return this.children
      .map((child) => (typeof child === "string" ? child : child.textContent))
      .join("");
  }

  set textContent(text: string) {
    this.children = text === "" ? [] : [text];
  }

  setAttribute(name: string, value: string): void {
    this.attributes.set(name, value);
    if (name === "value") this.value = value;
  }

  getAttribute(name: string): string | null {
    return this.attributes.get(name) ?? null;
  }

  append(...children: (PageNode | string)[]): void {
    this.children.push(...children);
  }

  replaceChildren(...children: (PageNode | string)[]): void {
    this.children = children;
  }

  addEventListener(type: string, listener: Listener): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  /** Does what a person does to the element. */
  dispatch(type: string): void {
    const event = { target: this, preventDefault: () => undefined };
    for (const listener of this.#listeners.get(type) ?? []) listener(event);
  }

  /** Every element below that is `tag`. */
  all(tag: string): PageNode[] {
    const below = this.children.filter((child) => typeof child !== "string");
    return below.flatMap((child) => [...(child.tag === tag ? [child] : []), ...child.all(tag)]);
  }

  closest(): PageNode {
    return this;
  }

  focus(): void {}
  scrollIntoView(): void {}
}

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
}

export interface LoadedPage {
  readonly byId: (id: string) => PageNode;
  /** Whatever the script calls by this name. */
  readonly global: (expression: string) => unknown;
  readonly sent: readonly Sent[];
}

const PARTS = {
  SHARED: "shared.js.txt",
  FOLLOW: "follow.js.txt",
  PANEL: "task-panel.js.txt",
  CONSOLE: "console.js.txt",
};

export function readPart(name: string): string {
  return readFileSync(new URL(name, import.meta.url), "utf8");
}

/** Loads a page whose requests `answer` answers; pauses of a second and less take no time. */
export function loadPage(
  file: "console.html" | "docs.html",
  answer: (sent: Sent) => Response,
  key = "",
): LoadedPage {
  const parts = Object.entries(PARTS).map(([name, part]) => [name, readPart(part)]);
  const html = assemble(readPart(file), Object.fromEntries(parts));
  const script = /<script nonce="__NONCE__">([\s\S]*)<\/script>/.exec(html)?.[1] ?? "";
  const nodes = new Map<string, PageNode>();
  for (const [element, tag = "", id = ""] of html.matchAll(
    /<([a-z]\w*)\b[^>]*? id="([^"]+)"[^>]*>/g,
  )) {
    const node = new PageNode(tag);
    node.hidden = / hidden[ >]/.test(element);
    nodes.set(id, node);
  }
  const byId = (id: string): PageNode => {
    const node = nodes.get(id);
    if (!node) throw new Error(`The page has no element #${id}.`);
    return node;
  };
  const sent: Sent[] = [];
  const kept = new Map(key === "" ? [] : [["pipelzr.key", key]]);
  const context = createContext({
    AbortController,
    TextDecoder,
    encodeURIComponent,
    decodeURIComponent,
    document: {
      createElement: (tag: string) => new PageNode(tag),
      getElementById: byId,
      querySelectorAll: () => [],
      body: new PageNode("body"),
      hidden: false,
      activeElement: null,
    },
    sessionStorage: {
      getItem: (name: string) => kept.get(name) ?? null,
      setItem: (name: string, value: string) => kept.set(name, value),
      removeItem: (name: string) => kept.delete(name),
    },
    history: { replaceState: () => undefined },
    location: { hash: "", pathname: "/", origin: "" },
    fetch: async (path: string, init: Partial<Sent> = {}) => {
      const { method = "GET", headers = {}, body } = init;
      const request = { method, path, headers, body };
      sent.push(request);
      return answer(request);
    },
    requestAnimationFrame: queueMicrotask,
    setInterval: () => 0,
    setTimeout: (action: () => void, ms: number) => {
      if (ms <= 1000) setImmediate(action);
    },
  });
  runInContext(script, context);
  return { byId, sent, global: (expression) => runInContext(expression, context) };
}
