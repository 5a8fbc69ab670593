import { describe, expect, it } from "vitest";
import { HeldTooLong, Pace } from "./pace.ts";

describe("Pace", () => {
  const make = () => {
    const state = { turns: 0 };
    const pace = new Pace(async () => {
      state.turns += 1;
    });
    const run = (commands: number) => {
      for (let i = 0; i < commands; i += 1) pace.coverage.hit("bash:cmd:SimpleCommand");
    };
    return { pace, run, state };
  };

  it("takes a turn at a tick once some hundred commands have run", async () => {
    const { pace, run, state } = make();
    run(100);
    expect(pace.tick()).toBeUndefined();
    run(500);
    await pace.tick();
    expect(state.turns).toBe(1);
    expect(pace.tick()).toBeUndefined();
  });

  it("ends what runs on without a tick, and only that", async () => {
    const { pace, run } = make();
    for (let i = 0; i < 3; i += 1) {
      run(400_000);
      await pace.tick();
    }
    expect(() => run(600_000)).toThrow(HeldTooLong);
  });

  it("counts commands, not expansions", () => {
    const { pace } = make();
    for (let i = 0; i < 1_000; i += 1) pace.coverage.hit("bash:expansion:tilde");
    expect(pace.tick()).toBeUndefined();
  });
});
