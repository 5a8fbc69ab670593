/** The routes by path, for the two answers that no route gives: 405 with `Allow`, and OPTIONS. */
import type { AppContext, Router } from "./context.ts";
import { ApiError } from "./errors.ts";

/** Finds the methods that a path has; asked only when no route matched. */
export class AllowedMethods {
  readonly #routes: readonly { readonly pattern: RegExp; readonly method: string }[];

  /** Reads the registry: every route is in it. */
  constructor(router: Router) {
    this.#routes = router.openAPIRegistry.definitions.flatMap((definition) => {
      if (definition.type !== "route") return [];
      const { path, method } = definition.route;
      const pattern = path
        .split(/(\{\w+\})/)
        .map((part) =>
          part.endsWith("_path}")
            ? "[\\s\\S]+"
            : part.startsWith("{")
              ? "[^/]+"
              : part.replaceAll(/[.*+?^$()|[\]\\]/g, "\\$&"),
        )
        .join("");
      return [{ pattern: new RegExp(`^${pattern}$`), method: method.toUpperCase() }];
    });
  }

  /** Sorted; empty for a path that does not exist. A GET brings HEAD with it. */
  of(path: string): readonly string[] {
    const methods = new Set<string>();
    for (const { pattern, method } of this.#routes) {
      if (!pattern.test(path)) continue;
      methods.add(method);
      if (method === "GET") methods.add("HEAD");
    }
    if (methods.size > 0) methods.add("OPTIONS");
    return [...methods].sort();
  }

  /** What a request that matched no route is told. */
  answer(c: AppContext): Response {
    const allowed = this.of(c.req.path);
    const Allow = allowed.join(", ");
    if (allowed.length > 0 && c.req.method === "OPTIONS") {
      return new Response(null, { status: 204, headers: { Allow } });
    }
    if (allowed.length > 0) {
      throw new ApiError(
        "method_not_allowed",
        `${c.req.method} is not possible here; use ${Allow}.`,
        {
          headers: { Allow },
          members: { allowed },
        },
      );
    }
    throw new ApiError(
      "not_found",
      `No endpoint has the path ${c.req.path.slice(0, 200)}. /docs lists those that exist.`,
    );
  }
}
