import { describe, expect, it } from "vitest";
import { backoffMs } from "../backoff.ts";
import { TransportChoice } from "./choice.ts";

describe("the choice of a transport", () => {
  it("is long-poll once no WebSocket gets through, and again a WebSocket after that", () => {
    const choice = new TransportChoice("auto");
    choice.failed("websocket", "blocked");
    expect(choice.next).toBe("websocket");
    choice.failed("websocket", "blocked");
    expect(choice.next).toBe("poll");
    choice.ended("poll");
    expect(choice.next).toBe("websocket");
    choice.failed("websocket", "blocked");
    expect(choice.next).toBe("poll");
    choice.failed("poll", "unreachable");
    expect(choice.next).toBe("websocket");
  });

  it("stays with the WebSocket while no service answers at all", () => {
    const choice = new TransportChoice("auto");
    for (let tries = 0; tries < 5; tries += 1) choice.failed("websocket", "unreachable");
    expect(choice.next).toBe("websocket");
  });

  it("is no choice when one is set", () => {
    expect(new TransportChoice("poll").next).toBe("poll");
    const choice = new TransportChoice("websocket");
    for (let tries = 0; tries < 5; tries += 1) choice.failed("websocket", "blocked");
    expect(choice.next).toBe("websocket");
  });
});

describe("backoff", () => {
  it("doubles up to its bound, and is spread", () => {
    const settings = { firstMs: 100, maxMs: 1_000 };
    expect([1, 2, 3, 4, 5, 99].map((tries) => backoffMs(tries, settings, 1))).toEqual([
      100, 200, 400, 800, 1_000, 1_000,
    ]);
    expect(backoffMs(1, settings, 0)).toBe(50);
  });
});
