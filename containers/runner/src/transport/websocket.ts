/** Frames over a WebSocket: the service speaks at once, and a dead connection is noticed. */
import WebSocket from "ws";
import { CLOSE_ENDED, RUNNER_PATHS } from "../../../../workers/executors/runner/protocol.ts";
import { ConnectError, causeOf, connectErrorOf } from "../errors.ts";
import type { Signer } from "../identity.ts";
import { serviceAddress } from "../service.ts";
import { type Connection, type ConnectionEvents, type Transport, takeFrame } from "./connection.ts";

const HANDSHAKE_MS = 15_000;
/** A problem document is short; a page of a proxy need not be read to its end. */
const MAX_PROBLEM_CHARS = 64 * 1024;
/** An assignment carries the task's files. */
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;
/** By then the service's welcome has said how often. */
const FIRST_PING_MS = 1_000;
/** Unanswered pings after which the connection counts as dead. */
const MAX_UNANSWERED = 3;

export function createWebSocketTransport(
  url: string,
  signer: Signer,
  handshakeMs = HANDSHAKE_MS,
): Transport {
  const address = serviceAddress(url, RUNNER_PATHS.connect).replace(/^http/, "ws");
  return {
    name: "websocket",
    open: async (events, { pingMs }) => {
      const socket = new WebSocket(address, {
        headers: { authorization: signer.authorization("GET", RUNNER_PATHS.connect, null) },
        maxPayload: MAX_MESSAGE_BYTES,
        perMessageDeflate: false,
      });
      const { promise: late, reject } = Promise.withResolvers<never>();
      // Of the library's own time every byte begins a new one, and none ends an answer cut short.
      const timer = setTimeout(
        () =>
          reject(
            new ConnectError(
              "blocked",
              "The WebSocket was neither accepted nor refused in time. See what stands between this machine and the service.",
            ),
          ),
        handshakeMs,
      );
      try {
        await Promise.race([opened(socket), late]);
        return connectionOf(socket, events, pingMs);
      } catch (error) {
        // What it still has to say is heard by nobody.
        socket.on("error", () => undefined);
        socket.terminate();
        throw error;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

/** Resolves once the service has accepted; rejects with ConnectError. */
function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once("unexpected-response", (_, response) => {
      let body = "";
      const refuse = () => reject(connectErrorOf(response.statusCode ?? 0, body));
      response.setEncoding("utf8");
      response.on("data", (piece: string) => {
        body += piece;
        if (body.length > MAX_PROBLEM_CHARS) refuse();
      });
      // Whole or cut short, its status says enough.
      response.once("end", refuse).once("close", refuse).once("error", refuse);
    });
    const onError = (error: Error) => {
      // What is wrong with an answer, unlike what keeps it from coming, has no system code.
      const isNetwork = "code" in error && !String(error.code).startsWith("WS_");
      reject(new ConnectError(isNetwork ? "unreachable" : "blocked", causeOf(error)));
    };
    socket.once("error", onError);
    socket.once("open", () => {
      socket.off("error", onError);
      resolve();
    });
  });
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
    end: () =>
      new Promise((resolve) => {
        if (!isOpen) return resolve();
        close(null);
        socket.once("close", () => resolve());
        socket.close(CLOSE_ENDED, "ended");
      }),
    close: () => {
      close(null);
      socket.close(1000);
      // A service that is gone answers no close; the process need not wait for it.
      setTimeout(() => socket.terminate(), 1_000).unref();
    },
  };
}
