/** `/api/v1/search`. */
import type { z } from "@hono/zod-openapi";
import type { Router } from "../http/context.ts";
import { endpoint } from "../http/endpoint.ts";
import { readPage, toPage } from "../http/page.ts";
import { eventStream, wantsEvents } from "../http/sse.ts";
import type { CodebaseAnswer, CrossSearchService } from "./cross-search.ts";
import type { FileResult } from "./index/search/search-types.ts";
import { cutToBudget } from "./query/budget.ts";
import { compareRanked } from "./query/rank.ts";
import { crossSearchQuery, crossSearchSchema } from "./reading-schemas.ts";
import { renderResults } from "./render.ts";

declare module "../http/context.ts" {
  interface Services {
    readonly crossSearch: CrossSearchService;
  }
}

type Answer = z.output<typeof crossSearchSchema>;

export function crossSearchRoutes(router: Router): void {
  endpoint(
    router,
    {
      method: "get",
      path: "/search",
      operationId: "searchCodebases",
      tags: ["Codebases"],
      scope: "codebases:read",
      summary: "Search all codebases of your projects",
      description:
        "The query is that of one codebase; `repo:` narrows by name. Each has `timeout_seconds`: those that are late or fail are named, and `complete` says whether anything is missing. With `Accept: text/event-stream` each codebase is told as soon as it has answered.",
      request: { query: crossSearchQuery },
      responses: {
        200: { description: "What was found, and where not.", schema: crossSearchSchema },
      },
    },
    async (c, { query, principal }) => {
      const { q, max_tokens, timeout_seconds, codebases, cursor, project_id, ...rest } = query;
      const { url } = c.req;
      const page = readPage({ limit: codebases, cursor, order: "asc" }, url);
      const request = {
        ...{ ...rest, query: q, explain: false, deadline_ms: timeout_seconds * 1_000 },
        snapshot: rest.snapshot ?? null,
        project_id: project_id ?? null,
      };
      const { crossSearch } = c.get("services");
      if (wantsEvents(c)) {
        const told = new Told();
        const searching = crossSearch.search(principal, request, page, (answer) =>
          told.add(answer),
        );
        // A fault of the query is answered as such, before the stream begins.
        await Promise.race([searching, told.first]);
        return eventStream(c, async function* () {
          for await (const answer of told.until(searching)) {
            yield { event: "codebase", data: { ...reportOf(answer), items: itemsOf(answer) } };
          }
          const { answers, rows } = await searching;
          const { next_cursor } = toPage(
            rows,
            page,
            url,
            (row) => row,
            (row) => row,
          ).body;
          yield { event: "done", data: { complete: isComplete(answers), next_cursor } };
        });
      }
      const { answers, rows } = await crossSearch.search(principal, request, page);
      const { body, headers } = toPage(
        rows,
        page,
        url,
        (row) => row,
        (row) => row,
      );
      const items = answers.flatMap(itemsOf).toSorted(compareRanked);
      const cut = max_tokens === undefined ? null : cutToBudget(renderAll(answers), max_tokens);
      return {
        status: 200,
        body: {
          ...{ items, next_cursor: body.next_cursor },
          codebases: answers.map(reportOf),
          complete: isComplete(answers),
          text: cut?.text ?? null,
          tokens: cut?.tokens ?? null,
        },
        headers,
      };
    },
  );
}

/** Answers as they come, for one reader. */
class Told {
  readonly #answers: CodebaseAnswer[] = [];
  readonly first: Promise<void>;
  #wake: () => void = () => undefined;
  #next: Promise<void>;

  constructor() {
    this.#next = this.#armed();
    this.first = this.#next;
  }

  add(answer: CodebaseAnswer): void {
    this.#answers.push(answer);
    this.#wake();
  }

  /** Those that have come and that will, until `end` resolves. */
  async *until(end: Promise<unknown>): AsyncGenerator<CodebaseAnswer> {
    let isOver = false;
    const over = end.then(() => {
      isOver = true;
    });
    for (;;) {
      const answer = this.#answers.shift();
      if (answer !== undefined) yield answer;
      else if (isOver) return;
      else {
        this.#next = this.#armed();
        await Promise.race([this.#next, over]);
      }
    }
  }

  #armed(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}

type Item = FileResult & { readonly codebase_id: string; readonly codebase: string };

function itemsOf(answer: CodebaseAnswer): readonly Item[] {
  if (answer.status !== "searched") return [];
  const { id, name, found } = answer;
  return found.items.map((item) => ({ ...item, codebase_id: id, codebase: name }));
}

function reportOf(answer: CodebaseAnswer): Answer["codebases"][number] {
  const { id, name, status } = answer;
  if (status !== "searched") return { id, name, status, receipt: null, next_cursor: null };
  const { receipt, next_cursor } = answer.found;
  return { id, name, status, receipt, next_cursor };
}

function isComplete(answers: readonly CodebaseAnswer[]): boolean {
  return answers.every(
    (answer) =>
      answer.status === "empty" ||
      (answer.status === "searched" && answer.found.receipt.exhaustive),
  );
}

function renderAll(answers: readonly CodebaseAnswer[]) {
  const searched = answers.flatMap((answer) => (answer.status === "searched" ? [answer] : []));
  return searched
    .flatMap(({ name, found }) =>
      renderResults(found).map((result, index) => ({
        provenance: `${name}: ${result.provenance}`,
        text: result.text,
        path: found.items[index]?.path ?? "",
        score: found.items[index]?.score ?? 0,
      })),
    )
    .sort(compareRanked);
}
