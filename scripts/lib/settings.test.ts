import { expect, test } from "vitest";
import { readSettings } from "./settings.ts";

test("an unset setting and an empty one have the default", () => {
  expect(readSettings({ PORT: "", HOST: "" })).toEqual({
    HOST: "127.0.0.1",
    PORT: 8001,
    WATCHDOG_MS: 2500,
  });
  expect(readSettings({ PORT: "9000" }).PORT).toBe(9000);
});

test("says in words what is wrong with a setting, each of them once", () => {
  for (const port of ["abc", "0", "-1.5", "65536"]) {
    expect(() => readSettings({ PORT: port })).toThrow(
      new Error(`PORT is "${port}", and must be a whole number from 1 to 65535.`),
    );
  }
  expect(() => readSettings({ PORT: "x", WATCHDOG_MS: "1" })).toThrow(/^PORT is .+ WATCHDOG_MS is/);
});
