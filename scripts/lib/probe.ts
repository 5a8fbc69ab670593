/** One question to the service: is anybody there? */
import { request } from "node:http";
import { createServer } from "node:net";

/** `answered`: any HTTP answer. `refused`: nobody listens. `silent`: a connection, and no answer in time. */
export type ProbeResult = "answered" | "refused" | "silent";

/** Asks on a connection of its own, so that no earlier one can hide a dead process. */
export function probe(hostname: string, port: number, timeoutMs: number): Promise<ProbeResult> {
  return new Promise((resolve) => {
    const asked = request({ hostname, port, path: "/health", agent: false, timeout: timeoutMs });
    asked.once("response", (response) => {
      response.resume();
      resolve("answered");
    });
    asked.once("timeout", () => {
      resolve("silent");
      asked.destroy();
    });
    asked.once("error", () => resolve("refused"));
    asked.end();
  });
}

/** A port of the loopback interface that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === "string") throw new Error("No free port was found.");
  return address.port;
}

/** Whether this process could listen there; false means that the port is taken. */
export function isPortFree(hostname: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) => {
      if ("code" in error && error.code === "EADDRINUSE") resolve(false);
      else reject(error);
    });
    server.listen(port, hostname, () => server.close(() => resolve(true)));
  });
}
