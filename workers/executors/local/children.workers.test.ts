import { describe, expect, it } from "vitest";
import { compileScript } from "./children.ts";

describe("the scripts that are kept compiled", () => {
  it("are the newest of them, within a bound on all together", () => {
    const script = (n: number) => `/* ${n} ${"x".repeat(512 * 1024)} */ export default () => ${n}`;
    const first = compileScript(script(0), "javascript");
    expect(compileScript(script(0), "javascript")).toBe(first);
    for (let n = 1; n <= 20; n += 1) compileScript(script(n), "javascript");
    expect(compileScript(script(20), "javascript")).toBe(compileScript(script(20), "javascript"));
    expect(compileScript(script(0), "javascript")).not.toBe(first);
  });
});
