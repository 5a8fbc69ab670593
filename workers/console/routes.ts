/** `/` and `/docs`: pages for people, and a card for programs. */
import { z } from "@hono/zod-openapi";
import { createRouter } from "../http/context.ts";
import { publicEndpoint } from "../http/endpoint.ts";
import { preferredType } from "../http/negotiate.ts";
import { cardSchema } from "../operations/schemas.ts";
import { assemble } from "./assemble.ts";
import consolePage from "./console.html";
import consoleScript from "./console.js.txt";
import docsPage from "./docs.html";
import followScript from "./follow.js.txt";
import sharedScript from "./shared.js.txt";
import panelScript from "./task-panel.js.txt";
import theme from "./theme.css.txt";

const HTML_TYPE = "text/html; charset=utf-8";
const tags = ["Service"];
const NONCE_BYTES = 16;
const SHARED = { THEME: theme, SHARED: sharedScript };
const CONSOLE_PAGE = assemble(consolePage, {
  ...SHARED,
  FOLLOW: followScript,
  PANEL: panelScript,
  CONSOLE: consoleScript,
});
const DOCS_PAGE = assemble(docsPage, SHARED);

export const consoleRoutes = createRouter();

publicEndpoint(
  consoleRoutes,
  {
    method: "get",
    path: "/",
    operationId: "getService",
    tags,
    summary: "Describe the service",
    description: "A browser gets the console, a program this card.",
    responses: {
      200: {
        description: "The service.",
        schema: cardSchema,
        content: { "text/html": z.string() },
      },
    },
  },
  (c) => {
    if (preferredType(c.req.header("accept"), ["application/json", "text/html"]) === "text/html") {
      return page(CONSOLE_PAGE);
    }
    const { APP_NAME, APP_VERSION } = c.get("config");
    return {
      status: 200,
      headers: { Vary: "Accept" },
      body: {
        name: APP_NAME,
        service: APP_NAME,
        version: APP_VERSION,
        status: "operational",
        description: "Codebase & Execution Service of the CommandCentral platform.",
        endpoints: {
          health: "/health",
          ready: "/ready",
          metrics: "/metrics",
          docs: "/docs",
          openapi: "/openapi.json",
          tasks: "/api/v1/tasks",
          secrets: "/api/v1/secrets",
          keys: "/api/v1/keys",
        },
      },
    };
  },
);

publicEndpoint(
  consoleRoutes,
  {
    method: "get",
    path: "/docs",
    operationId: "getDocs",
    tags,
    summary: "Read the API's documentation",
    responses: { 200: { description: "A page.", content: { "text/html": z.string() } } },
  },
  () => page(DOCS_PAGE),
);

/** Only the page's own style and script run, and it talks to this service alone. */
function page(html: string): Response {
  const bytes = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const nonce = Buffer.from(bytes).toString("base64");
  return new Response(html.replaceAll("__NONCE__", nonce), {
    headers: {
      "Content-Type": HTML_TYPE,
      "Content-Security-Policy": `default-src 'none'; script-src 'nonce-${nonce}'; style-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
      Vary: "Accept",
    },
  });
}
