import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { acquire, type Lease, renew } from "./leases.ts";

/** The object around the pure functions: a table of leases. */
class Table {
  leases: Lease[] = [];
  now = 0;

  ask(holder: string, capacity = 1, priority = 0, leaseMs = 100) {
    const { lease, result } = acquire(this.leases, {
      holder,
      capacity,
      priority,
      lease_ms: leaseMs,
      now: this.now,
    });
    this.leases = [...this.leases.filter((other) => other.holder !== holder), lease];
    return result;
  }

  release(holder: string) {
    this.leases = this.leases.filter((lease) => lease.holder !== holder);
  }

  held() {
    return this.leases.filter((lease) => lease.state === "held" && lease.expires_at > this.now);
  }
}

describe("leases", () => {
  it("queue by age, and a waiter keeps its place by asking again", () => {
    const table = new Table();
    expect(table.ask("a")).toMatchObject({ granted: true, position: 0 });
    expect(table.ask("b")).toMatchObject({ granted: false, position: 1 });
    expect(table.ask("c")).toMatchObject({ granted: false, position: 2 });
    table.now = 50;
    expect(table.ask("b")).toMatchObject({ granted: false, position: 1 });
    table.release("a");
    expect(table.ask("c")).toMatchObject({ granted: false, position: 1 });
    expect(table.ask("b")).toMatchObject({ granted: true });
    expect(table.ask("c")).toMatchObject({ granted: false, position: 1 });
  });

  it("let a higher priority pass", () => {
    const table = new Table();
    table.ask("a");
    table.ask("low", 1, 0);
    table.ask("high", 1, 5);
    table.release("a");
    expect(table.ask("low", 1, 0)).toMatchObject({ granted: false, position: 1 });
    expect(table.ask("high", 1, 5)).toMatchObject({ granted: true });
  });

  it("end when they are not renewed, held and waiting alike", () => {
    const table = new Table();
    table.ask("a");
    table.now = 60;
    table.ask("b");
    table.now = 90;
    table.ask("c");
    table.now = 101;
    expect(renew(table.leases, "a", 100, table.now)).toBeNull();
    table.now = 161;
    expect(table.ask("c")).toMatchObject({ granted: true });
  });

  it("are renewed by their holder, by asking or by renewing, and not by a waiter", () => {
    const table = new Table();
    table.ask("a");
    table.ask("b");
    table.now = 50;
    expect(renew(table.leases, "a", 100, 50)?.expires_at).toBe(150);
    expect(renew(table.leases, "b", 100, 50)).toBeNull();
    expect(renew(table.leases, "nobody", 100, 50)).toBeNull();
    expect(table.ask("a")).toMatchObject({ granted: true, expires_at: 150 });
  });

  it("are never more than the capacity, and none stays free while one waits and asks", () => {
    const action = fc.record({
      kind: fc.constantFrom("ask", "release", "wait"),
      holder: fc.constantFrom("a", "b", "c", "d", "e", "f"),
      priority: fc.integer({ min: -2, max: 2 }),
      ms: fc.nat(60),
    });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 3 }), fc.array(action), (capacity, actions) => {
        const table = new Table();
        for (const { kind, holder, priority, ms } of actions) {
          if (kind === "wait") table.now += ms;
          else if (kind === "release") table.release(holder);
          else table.ask(holder, capacity, priority);
          expect(table.held().length).toBeLessThanOrEqual(capacity);
        }
        // Everyone who still waits asks again and again, and releases once granted: all get through.
        let waiting = table.leases.filter(
          (lease) => lease.state === "waiting" && lease.expires_at > table.now,
        );
        for (const lease of table.held()) table.release(lease.holder);
        while (waiting.length > 0) {
          const granted = waiting.filter(
            (lease) => table.ask(lease.holder, capacity, lease.priority).granted,
          );
          expect(granted.length).toBeGreaterThan(0);
          for (const lease of granted) table.release(lease.holder);
          waiting = waiting.filter((lease) => !granted.includes(lease));
        }
      }),
    );
  });
});
