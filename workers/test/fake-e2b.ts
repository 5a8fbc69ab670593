/**
 * Beside the `workers` lane: the fake E2B, and a server on this machine that counts requests, which
 * code in sandboxes reaches by its address.
 */
import { once } from "node:events";
import { createServer } from "node:http";
import type { TestProject } from "vitest/node";
import { startFakeE2B } from "../../containers/fakes/e2b/server.ts";
import { recorder } from "./recorder.ts";

export interface FakeAddresses {
  readonly e2b: string;
  readonly api_key: string;
  readonly recorder: string;
}

declare module "vitest" {
  interface ProvidedContext {
    fakes: FakeAddresses;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const fake = await startFakeE2B();
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? "/", "http://127.0.0.1").href;
    void recorder({ url })
      .then((reply) => reply.text())
      .then((text) => response.end(text));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  project.provide("fakes", {
    e2b: fake.apiUrl,
    api_key: fake.apiKey,
    recorder: `http://127.0.0.1:${port}`,
  });
  return async () => {
    server.closeAllConnections();
    server.close();
    await fake.stop();
  };
}
