import { expect, it, vi } from "vitest";
import { loadPage } from "./page-fixture.ts";

const SPEC = {
  info: { title: "PIPELZR", version: "1", description: "" },
  components: { schemas: {} },
  "x-error-codes": {},
  paths: {
    "/things": {
      get: {
        operationId: "listThings",
        summary: "List",
        tags: ["Things"],
        security: [{}],
        responses: {},
      },
    },
  },
};

it("says with which key Try it sends, and goes on saying it when the key changes", async () => {
  const page = loadPage("docs.html", () => new Response(JSON.stringify(SPEC)));
  const main = page.byId("main");
  await vi.waitFor(() => expect(main.textContent).toContain("without a key: enter one at the top"));
  const [field] = main.all("form").flatMap((form) => form.all("input"));
  expect(field?.getAttribute("type")).toBe("password");
  if (field) field.value = "plz_live_abcdefghijklmnop_qrstuvwxyz";
  field?.dispatch("input");
  expect(main.textContent).not.toContain("without a key");
  expect(main.textContent).toContain("with the key plz_live_abc…wxyz");
});
