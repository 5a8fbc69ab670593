import { once } from "node:events";
import { createServer } from "node:http";
import { expect, test } from "vitest";
import { z } from "zod";
import { Api } from "./api.ts";

test("a key that is refused may be another service's, as one may be at the address", async () => {
  const stranger = createServer((_, response) => response.writeHead(401).end("who are you?"));
  await once(stranger.listen(0, "127.0.0.1"), "listening");
  const { port } = z.object({ port: z.int() }).parse(stranger.address());
  const url = `http://127.0.0.1:${port}`;
  try {
    await expect(new Api(url, "plz_dev_x").call("GET", "/tasks")).rejects.toThrow(
      `GET /tasks answered 401: who are you? Check that the key belongs to the service at ${url}.`,
    );
  } finally {
    stranger.close();
  }
});
