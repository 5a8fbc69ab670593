import { describe, expect, it, vi } from "vitest";
import { type LoadedPage, loadPage, type Sent } from "./page-fixture.ts";

const KEY = "plz_live_abcdefghijklmnop_qrstuvwxyz";
const ID = "01a20953-9215-7ca2-9648-0a80e2b6a52c";
const TASK = {
  id: ID,
  name: "console javascript",
  state: "running",
  run: 1,
  task_type: "local",
  language: "javascript",
  script: "export default () => 1",
  command: null,
  inputs: null,
  result: null,
  error: null,
  error_code: null,
  started_at: "2026-01-01T00:00:00.000Z",
  created_at: "2026-01-01T00:00:00.000Z",
  state_changed_at: "2026-01-01T00:00:00.000Z",
  duration_ms: null,
  artifact_files: [],
  stdout_bytes: 0,
  stderr_bytes: 0,
};
const ENDED = {
  ...TASK,
  state: "completed",
  state_changed_at: "2026-01-01T00:00:43.200Z",
  duration_ms: 43_200,
  result: [3],
};

/** A service with one task, whose events come in connections that break. */
class Service {
  task: Record<string, unknown> = TASK;
  allowed: readonly string[] = ["cancel"];
  connections: (readonly Record<string, unknown>[])[] = [];
  ended: Record<string, unknown> = ENDED;
  /** What the list still says of the task, when it lags. */
  listed: Record<string, unknown> | null = null;

  readonly answer = (sent: Sent): Response => {
    const path = sent.path.replace(`/api/v1/tasks/${ID}`, "");
    if (sent.path === "/api/v1/tasks" && sent.method === "POST") return json(this.task, 201);
    if (sent.path.startsWith("/api/v1/tasks?")) {
      const known = sent.headers.Authorization === `Bearer ${KEY}`;
      return known
        ? json({ items: [this.listed ?? this.task] })
        : json({ detail: "It is not known." }, 401);
    }
    if (path === "") return json(this.task);
    if (path === "/why") return json({ reason: "So it is.", allowed: this.allowed });
    if (path === "/attempts") return json({ items: [] });
    if (path.startsWith("/logs")) return new Response("all of it", { status: 206 });
    if (path.startsWith("/events")) return this.#events();
    return json({}, 202);
  };

  #events(): Response {
    const events = this.connections.shift() ?? [];
    if (this.connections.length === 0) this.task = this.ended;
    const text = events.map((event) => `id: ${event.seq}\ndata: ${JSON.stringify(event)}\n\n`);
    return new Response(`retry: 1000\n\n: \n\n${text.join("")}`);
  }
}

function json(value: unknown, status = 200): Response {
  return new Response(JSON.stringify(value), { status });
}

function buttons(page: LoadedPage, id: string): string[] {
  return page
    .byId(id)
    .all("button")
    .map((button) => button.textContent);
}

function signIn(page: LoadedPage, key: string): void {
  page.byId("key").value = key;
  page.byId("login").dispatch("submit");
}

describe("the key row", () => {
  it("says who one is, in place of the form", async () => {
    const page = loadPage("console.html", new Service().answer);
    expect(page.byId("login").hidden).toBe(false);
    expect(page.byId("run").hidden).toBe(true);
    signIn(page, KEY);
    await vi.waitFor(() => expect(page.byId("signed-in").hidden).toBe(false));
    expect(page.byId("login").hidden).toBe(true);
    expect(page.byId("who").textContent).toBe("plz_live_abc…wxyz");
    expect(page.byId("run").hidden).toBe(false);
    page.byId("forget").dispatch("click");
    expect(page.byId("login").hidden).toBe(false);
    expect(page.byId("run").hidden).toBe(true);
  });

  it("asks again when the key is refused, and says why", async () => {
    const page = loadPage("console.html", new Service().answer);
    signIn(page, "wrong");
    await vi.waitFor(() => expect(page.byId("refused").textContent).toBe("It is not known."));
    expect(page.byId("login").hidden).toBe(false);
    expect(page.global("key()")).toBe("");
  });
});

describe("running", () => {
  it("follows a run to its end over connections that break, with what it writes", async () => {
    const service = new Service();
    service.connections = [
      [
        { seq: 2, type: "run.started" },
        { seq: 3, type: "log", text: "one\n" },
      ],
      [{ seq: 4, type: "log", text: "two\n" }],
      [{ seq: 5, type: "run.completed" }],
    ];
    const page = loadPage("console.html", service.answer, KEY);
    page.byId("task").dispatch("submit");
    await vi.waitFor(() => expect(page.byId("detail-state").textContent).toBe("completed"));
    const started = page.sent.find(({ method }) => method === "POST");
    expect(started?.headers.Prefer).toBe("respond-async");
    expect(page.byId("detail-log").textContent).toBe("one\ntwo\n");
    expect(page.byId("detail-elapsed").textContent).toBe("43.2 s");
    expect(page.byId("detail-body").textContent).toContain("Result[\n  3\n]");
    const resumed = page.sent.filter(({ path }) => path.includes("/events?run=1"));
    expect(resumed.map(({ headers }) => headers["Last-Event-ID"])).toEqual(["0", "3", "4"]);
  });

  it("shows the error of a failed run, and no result of it", async () => {
    const service = new Service();
    service.connections = [[{ seq: 2, type: "run.failed" }]];
    service.ended = { ...ENDED, state: "failed", result: null, error: "It broke." };
    const page = loadPage("console.html", service.answer, KEY);
    page.byId("task").dispatch("submit");
    await vi.waitFor(() => expect(page.byId("detail-state").textContent).toBe("failed"));
    expect(page.byId("detail-body").textContent).toContain("It broke.");
    expect(page.byId("detail-body").textContent).not.toContain("Result");
  });

  it.each([
    ["javascript", { language: "javascript", inputs: { words: ["one", "three", "fifteen"] } }],
    ["typescript", { language: "typescript", inputs: { numbers: [3, 1, 2] } }],
    ["bash", { inputs: { name: "world" }, artifacts: ["*.txt"] }],
  ])("sends the example in %s", async (language, wanted) => {
    const page = loadPage("console.html", new Service().answer, KEY);
    page.byId("language").value = language;
    page.byId("language").dispatch("change");
    page.byId("task").dispatch("submit");
    const sent = page.sent.find(({ method }) => method === "POST")?.body ?? "{}";
    expect(JSON.parse(sent)).toMatchObject({ ...wanted, execute: true });
    expect(JSON.parse(sent)).toHaveProperty(language === "bash" ? "command" : "script");
  });

  it("keeps what one wrote in each language", () => {
    const page = loadPage("console.html", new Service().answer, KEY);
    const [language, script] = [page.byId("language"), page.byId("script")];
    script.value = "mine";
    script.dispatch("input");
    language.value = "bash";
    language.dispatch("change");
    expect(script.value).toContain("echo");
    language.value = "javascript";
    language.dispatch("change");
    expect(script.value).toBe("mine");
  });

  it("sends nothing while the inputs are not JSON, and says so", () => {
    const page = loadPage("console.html", new Service().answer, KEY);
    page.byId("inputs").value = "{ words: 1 }";
    page.byId("task").dispatch("submit");
    expect(page.byId("inputs-wrong").textContent).toMatch(/^The inputs are not JSON: .+\./);
    expect(page.byId("inputs").getAttribute("aria-invalid")).toBe("true");
    expect(page.sent.filter(({ method }) => method === "POST")).toEqual([]);
  });
});

describe("a recent task", () => {
  async function open(service: Service): Promise<LoadedPage> {
    const page = loadPage("console.html", service.answer, KEY);
    await vi.waitFor(() => expect(buttons(page, "tasks")).toEqual([TASK.name]));
    page.byId("tasks").all("tr")[0]?.dispatch("click");
    await vi.waitFor(() => expect(page.byId("detail-state").textContent).not.toBe(""));
    return page;
  }

  it("opens with what it left, and the files that it kept", async () => {
    const service = new Service();
    service.task = { ...ENDED, artifact_files: [{ path: "out/a.txt", bytes: 2048 }] };
    const page = await open(service);
    await vi.waitFor(() => expect(page.byId("detail-log").textContent).toBe("all of it"));
    expect(page.byId("detail-why").textContent).toBe("So it is.");
    expect(page.byId("detail-body").textContent).toContain("out/a.txt  2.0 KiB");
    page.byId("detail-close").dispatch("click");
    expect(page.byId("detail").hidden).toBe(true);
  });

  it("reads in the list as in the panel, whichever is newer", async () => {
    const service = new Service();
    service.listed = TASK;
    service.task = ENDED;
    const page = await open(service);
    await page.global("showTasks()");
    expect(page.byId("tasks").textContent).toContain("completed");
    service.listed = null;
    service.task = { ...ENDED, state: "cancelled", state_changed_at: "2026-01-02T00:00:00.000Z" };
    await page.global("showTasks()");
    await vi.waitFor(() => expect(page.byId("detail-state").textContent).toBe("cancelled"));
  });

  it.each([
    [["cancel"], ["Cancel"]],
    [
      ["retry", "execute", "update", "delete"],
      ["Retry", "Execute again"],
    ],
    [["execute", "update", "delete"], ["Execute again"]],
  ])("offers of %j the actions %j", async (allowed, wanted) => {
    const service = new Service();
    service.task = ENDED;
    service.allowed = allowed;
    const page = await open(service);
    expect(buttons(page, "detail-actions")).toEqual(wanted);
    page.byId("detail-actions").all("button")[0]?.dispatch("click");
    const action = page.sent.find(({ method }) => method === "POST");
    expect(action?.path).toBe(`/api/v1/tasks/${ID}/${allowed[0]}`);
    expect(action?.headers.Prefer).toBe("respond-async");
  });
});

describe("the script's parts", () => {
  const page = loadPage("console.html", new Service().answer);

  it.each([
    ["null", ""],
    ["999", "999 ms"],
    ["43210", "43.2 s"],
    ["245000", "4 min 05 s"],
    ["7500000", "2 h 05 min"],
  ])("lasting(%s) is %j", (ms, text) => {
    expect(page.global(`lasting(${ms})`)).toBe(text);
  });

  it("reads events however their text is cut", () => {
    const whole =
      'retry: 1000\n\nid: 1\nevent: log\ndata: {"seq":1,"text":"a\\n"}\n\n: \n\ndata: {"seq":2}\n\n';
    for (let size = 1; size <= whole.length; size += 1) {
      const parts = whole.match(new RegExp(`[\\s\\S]{1,${size}}`, "g")) ?? [];
      const read = `(() => { const read = sseReader(); return JSON.stringify(${JSON.stringify(parts)}.flatMap((part) => read(part))); })()`;
      expect(page.global(read)).toBe('[{"seq":1,"text":"a\\n"},{"seq":2}]');
    }
  });
});
