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

/** Below the ports that systems give to outgoing connections: one of those may be taken any moment. */
const FREE_PORTS = { first: 20_000, count: 12_000 };
const FREE_PORT_TRIES = 100;

/** A port of the loopback interface that nothing listens on. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < FREE_PORT_TRIES; tries += 1) {
    const port = FREE_PORTS.first + Math.floor(Math.random() * FREE_PORTS.count);
    if (await isPortFree("127.0.0.1", port)) return port;
  }
  throw new Error("No free port was found.");
}

/** Whether this process could listen there; false means that the port is taken. Throws with what to do when no port would do. */
export function isPortFree(hostname: string, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (error) => {
      const code = "code" in error ? error.code : "";
      if (code === "EADDRINUSE") resolve(false);
      else if (code === "EACCES") {
        reject(new Error(`This user may not listen on port ${port}; choose another with PORT.`));
      } else {
        const hint = `Set HOST to an address of this machine, such as 127.0.0.1 (${error.message}).`;
        reject(new Error(`Nothing can listen at ${hostname}. ${hint}`, { cause: error }));
      }
    });
    server.listen(port, hostname, () => server.close(() => resolve(true)));
  });
}
