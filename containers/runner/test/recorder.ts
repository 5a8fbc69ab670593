/** A server that counts requests, for the part of the contract that is about the network. */
import { createServer } from "node:http";
import type { Recorder } from "../../../workers/executors/contract.ts";

export interface RecorderServer {
  readonly make: () => Promise<Recorder>;
  readonly close: () => void;
}

export function startRecorder(): RecorderServer {
  const counts = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    counts.set(path, (counts.get(path) ?? 0) + 1);
    response.end("recorded");
  });
  server.listen(0, "127.0.0.1");
  const make = async (): Promise<Recorder> => {
    const address = server.address();
    if (address === null || typeof address === "string")
      throw new Error("the recorder has no port");
    const path = `/${crypto.randomUUID()}`;
    return {
      allow: ["127.0.0.1"],
      url: `http://127.0.0.1:${address.port}${path}`,
      count: async () => counts.get(path) ?? 0,
    };
  };
  return { make, close: () => server.close() };
}
