import { createHmac } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isSecret, newSecret, sign } from "./signature.ts";

describe("a signature", () => {
  it("is what the libraries of the specification sign", () => {
    // What the package `standardwebhooks` 1.1.1 signs for the same.
    const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw";
    const event = { id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: '{"test": 2432232314}' };
    expect(sign(event, [secret], 1_614_265_330_000)).toEqual({
      "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
      "webhook-timestamp": "1614265330",
      "webhook-signature": "v1,q6KMVIJHk4Gs770FfR5f591Ftx7uVJSGl5wHV1ri978=",
    });
  });

  it("is one for each secret, in their order", () => {
    const secrets = [newSecret(), newSecret()];
    const headers = sign({ id: "evt_1", body: "{}" }, secrets, 5_000);
    const expected = secrets.map((secret) => {
      const key = Buffer.from(secret.slice("whsec_".length), "base64");
      return `v1,${createHmac("sha256", key).update("evt_1.5.{}").digest("base64")}`;
    });
    expect(headers["webhook-signature"].split(" ")).toEqual(expected);
  });
});

describe("a secret", () => {
  it("is good when it is made here", () => {
    expect(isSecret(newSecret())).toBe(true);
    expect(newSecret()).not.toBe(newSecret());
  });

  it("has 24 to 64 bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const secret = `whsec_${Buffer.from(bytes).toString("base64")}`;
        expect(isSecret(secret)).toBe(bytes.length >= 24 && bytes.length <= 64);
      }),
    );
  });

  it("is nothing else", () => {
    const good = newSecret();
    for (const bad of ["", "whsec_", good.slice(6), `${good}!`, ` ${good}`, `${good}=`]) {
      expect(isSecret(bad), bad).toBe(false);
    }
  });
});
