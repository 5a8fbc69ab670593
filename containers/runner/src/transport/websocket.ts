/** Frames over a WebSocket: the service speaks at once, and a dead connection is noticed. */
import WebSocket from "ws";
import { RUNNER_PATHS } from "../../../../workers/executors/runner/protocol.ts";
import { ConnectError, causeOf, connectErrorOf } from "../errors.ts";
import type { Signer } from "../identity.ts";
import { serviceAddress } from "../service.ts";
import { type Connection, type ConnectionEvents, type Transport, takeFrame } from "./connection.ts";

const HANDSHAKE_MS = 15_000;
/** An assignment carries the task's files. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** By then the service's welcome has said how often. */
const FIRST_PING_MS = 1_000;
/** Unanswered pings after which the connection counts as dead. */
const MAX_UNANSWERED = 3;

export function createWebSocketTransport(url: string, signer: Signer): Transport {
  const address = serviceAddress(url, RUNNER_PATHS.connect).replace(/^http/, "ws");
  return {
    name: "websocket",
    open: (events, { pingMs }) =>
      new Promise((resolve, reject) => {
        const socket = new WebSocket(address, {
          headers: { authorization: signer.authorization("GET", RUNNER_PATHS.connect, null) },
          handshakeTimeout: HANDSHAKE_MS,
          maxPayload: MAX_MESSAGE_BYTES,
          perMessageDeflate: false,
        });
        socket.once("unexpected-response", (_, response) => {
          let body = "";
          response.setEncoding("utf8");
          response.on("data", (piece: string) => {
            body += piece;
          });
          response.on("end", () => {
            reject(connectErrorOf(response.statusCode ?? 0, body));
            socket.terminate();
          });
        });
        const onError = (error: Error) => {
          // What is wrong with an answer, unlike what keeps it from coming, has no system code.
          const isNetwork = "code" in error && !String(error.code).startsWith("WS_");
          reject(new ConnectError(isNetwork ? "unreachable" : "blocked", causeOf(error)));
        };
        socket.once("error", onError);
        socket.once("open", () => {
          socket.off("error", onError);
          resolve(connectionOf(socket, events, pingMs));
        });
      }),
  };
}

function connectionOf(
  socket: WebSocket,
  events: ConnectionEvents,
  pingMs: () => number,
): Connection {
  let isOpen = true;
  let unanswered = 0;
  let pinging: NodeJS.Timeout | null = null;
  const close = (why: string | null) => {
    if (!isOpen) return;
    isOpen = false;
    if (pinging !== null) clearTimeout(pinging);
    if (why !== null) events.closed(new ConnectError("unreachable", why));
  };
  const ping = () => {
    unanswered += 1;
    if (unanswered > MAX_UNANSWERED) {
      close("the service answers no ping");
      socket.terminate();
      return;
    }
    socket.ping();
    pinging = setTimeout(ping, pingMs());
  };
  pinging = setTimeout(ping, Math.min(FIRST_PING_MS, pingMs()));
  socket.on("pong", () => {
    unanswered = 0;
  });
  socket.on("message", (data, isBinary) => {
    unanswered = 0;
    if (!isOpen) return;
    let value: unknown = null;
    try {
      value = isBinary ? null : JSON.parse(data.toString());
    } catch {
      // Said to be invalid below.
    }
    takeFrame(value, events);
  });
  socket.on("error", (error) => close(causeOf(error)));
  socket.on("close", (code, reason) =>
    close(`the connection was closed (${code}${reason.length > 0 ? `, ${reason}` : ""})`),
  );
  return {
    send: (frame) => {
      if (isOpen) socket.send(JSON.stringify(frame));
    },
    // A ping is sent after all that was handed over before.
    flush: () =>
      new Promise((resolve) => {
        if (isOpen) socket.ping(undefined, undefined, () => resolve());
        else resolve();
      }),
    close: () => {
      close(null);
      socket.close(1000);
      // A service that is gone answers no close; the process need not wait for it.
      setTimeout(() => socket.terminate(), 1_000).unref();
    },
  };
}
