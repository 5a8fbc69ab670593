/** What stands in for a service, or before it, and answers oddly. */
import { createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { createWebSocketTransport } from "./websocket.ts";

const servers: ReturnType<typeof createServer>[] = [];
const sockets = new Set<Socket>();
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of servers.splice(0)) server.close();
});

/** Answers the first bytes of each connection; returns the address. */
async function answering(answer: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.once("data", () => answer(socket));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("it has no port");
  return `http://127.0.0.1:${address.port}`;
}

function open(url: string, handshakeMs?: number) {
  const events = { frame: () => {}, invalid: () => {}, closed: () => {} };
  const signer = { authorization: () => "none" };
  const settings = { pingMs: () => 1_000, isBusy: () => false };
  return createWebSocketTransport(url, signer, handshakeMs).open(events, settings);
}

describe("a WebSocket", () => {
  it("is given up when its refusal is cut short", async () => {
    const url = await answering((socket) =>
      socket.end("HTTP/1.1 426 Upgrade Required\r\ncontent-length: 1000\r\n\r\nhalf"),
    );
    await expect(open(url)).rejects.toMatchObject({
      kind: "blocked",
      message: expect.stringContaining("426"),
    });
  });

  it("is given up when its refusal has no end", async () => {
    const page = "x".repeat(100_000);
    const url = await answering((socket) =>
      socket.write(`HTTP/1.1 403 Forbidden\r\ncontent-length: 1000000\r\n\r\n${page}`),
    );
    await expect(open(url)).rejects.toMatchObject({ kind: "refused" });
  });

  it.each([
    ["comes byte by byte", "HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n", 5],
    ["has headers without end", "HTTP/1.1 101 Switching Protocols\r\nx-a: ", 5],
    ["does not come", "", 0],
  ])("is given up after its time when an answer %s", async (_, beginning, everyMs) => {
    const url = await answering((socket) => {
      if (beginning !== "") socket.write(beginning);
      if (everyMs > 0) {
        const dripping = setInterval(() => socket.write("x"), everyMs);
        socket.once("close", () => clearInterval(dripping));
      }
    });
    await expect(open(url, 100)).rejects.toMatchObject({
      kind: "blocked",
      message: expect.stringContaining("in time"),
    });
  });
});
