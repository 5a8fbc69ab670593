import { describe, expect, it } from "vitest";
import { isolate } from "../test/app.ts";

const { call } = isolate();
const BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

describe("the pages", () => {
  it("are for browsers; programs get the card", async () => {
    const card = await call("/", { key: null });
    expect(card.body).toMatchObject({ name: "PIPELZR", status: "operational" });
    expect(card.body).toHaveProperty("endpoints.tasks", "/api/v1/tasks");
    const page = await call("/", { key: null, headers: { accept: BROWSER } });
    expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(page.headers.get("vary")).toBe("Accept");
  });

  it.each(["/", "/docs"])(
    "%s runs its own script alone and loads nothing from elsewhere",
    async (path) => {
      const page = await call(path, { key: null, headers: { accept: BROWSER } });
      const policy = page.headers.get("content-security-policy") ?? "";
      const nonce = /script-src 'nonce-([^']+)'/.exec(policy)?.[1] ?? "missing";
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toContain("unsafe");
      expect(page.text.match(/<(script|style)\b[^>]*>/g)).toEqual([
        `<style nonce="${nonce}">`,
        `<script nonce="${nonce}">`,
      ]);
      expect(page.text).not.toMatch(/https?:\/\/|\/\*[A-Z]+\*\/|__NONCE__|innerHTML/);
      const markup = page.text.slice(page.text.indexOf("<body>"), page.text.indexOf("<script"));
      expect(markup).not.toMatch(/\s(on[a-z]+|style)=/);
      const again = await call(path, { key: null, headers: { accept: BROWSER } });
      expect(again.headers.get("content-security-policy")).not.toBe(policy);
    },
  );

  it("name every field of the console, and keep the key in a form", async () => {
    const page = await call("/", { key: null, headers: { accept: BROWSER } });
    const markup = page.text.slice(page.text.indexOf("<body>"), page.text.indexOf("<script"));
    const labels = markup.match(/<label\b[\s\S]*?<\/label>/g) ?? [];
    const fields = markup.match(/<(input|textarea|select)\b/g) ?? [];
    expect(fields.length).toBeGreaterThan(0);
    expect(labels.map((label) => /<(input|textarea|select)\b/.test(label))).toEqual(
      fields.map(() => true),
    );
    expect(markup).toMatch(/<form\b[^>]*>(?:(?!<\/form>)[\s\S])*type="password"/);
  });
});
