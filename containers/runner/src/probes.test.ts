import { describe, expect, it, vi } from "vitest";
import { Probes } from "./probes.ts";

const executor = () => {
  throw new Error("nothing is run");
};

describe("probes", () => {
  it("that take long keep nothing waiting, and tell when they have ended", async () => {
    const slow = Promise.withResolvers<string | null>();
    const dagger = vi.fn(() => slow.promise);
    const onChange = vi.fn();
    const probes = new Probes(
      {
        subprocess: { type: "subprocess", beginning: "soon", probe: async () => null, executor },
        dagger: { type: "dagger", beginning: "an engine is started", probe: dagger, executor },
      },
      onChange,
      10,
    );
    try {
      expect(probes.problem("subprocess")).toBe("soon");
      await probes.start();
      expect(probes.report()).toEqual({
        task_types: ["subprocess"],
        unavailable: { dagger: "an engine is started" },
      });
      expect(probes.problem("e2b")).toContain("not started for e2b");
      onChange.mockClear();
      slow.resolve(null);
      await vi.waitFor(() => expect(onChange).toHaveBeenCalledOnce());
      expect(probes.problem("dagger")).toBeNull();
    } finally {
      probes.stop();
    }
  });

  it("of a backend follow one another, and tell only what is new", async () => {
    vi.useFakeTimers();
    const answers = [
      Promise.withResolvers<string | null>(),
      Promise.withResolvers<string | null>(),
    ];
    const probe = vi.fn(
      () => answers[probe.mock.calls.length - 1]?.promise ?? Promise.reject("gone"),
    );
    const onChange = vi.fn();
    const probes = new Probes(
      { dagger: { type: "dagger", beginning: "begins", probe, executor } },
      onChange,
    );
    try {
      const started = probes.start();
      await vi.advanceTimersByTimeAsync(60_000);
      await started;
      expect(probe).toHaveBeenCalledOnce();
      answers[0]?.resolve("no engine");
      await vi.advanceTimersByTimeAsync(15_000);
      expect(probe).toHaveBeenCalledTimes(2);
      answers[1]?.resolve("no engine");
      await vi.advanceTimersByTimeAsync(0);
      expect(onChange).toHaveBeenCalledOnce();
      await vi.advanceTimersByTimeAsync(15_000);
      expect(probes.problem("dagger")).toBe("gone");
    } finally {
      probes.stop();
      vi.useRealTimers();
    }
  });
});
