/** CommandCentral's tokens: HS256, with the claims that it gives them. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { z } from "zod";

const LIFETIME_SECONDS = 24 * 3_600;

const claimsSchema = z.object({
  sub: z.string(),
  email: z.string(),
  roles: z.array(z.string()),
  exp: z.number(),
});
export type Claims = z.output<typeof claimsSchema>;

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

function signatureOf(signed: string, secret: string): Buffer {
  return createHmac("sha256", secret).update(signed).digest();
}

/** A token of a user, as a login gives it; `more` are claims that CommandCentral does not give. */
export function issueToken(
  secret: string,
  user: Pick<Claims, "sub" | "roles">,
  more: Readonly<Record<string, unknown>> = {},
): string {
  const now = Math.floor(Date.now() / 1_000);
  const claims = {
    ...{ email: `${user.sub}@example.com`, iat: now, exp: now + LIFETIME_SECONDS },
    ...{ jti: crypto.randomUUID(), ...user, ...more },
  };
  const signed = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${signed}.${signatureOf(signed, secret).toString("base64url")}`;
}

/** Who a token is of; null for one that is not good. */
export function readToken(secret: string, token: string): Claims | null {
  const [header = "", claims = "", signature = ""] = token.split(".");
  const expected = signatureOf(`${header}.${claims}`, secret);
  const given = Buffer.from(signature, "base64url");
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null;
  const read = claimsSchema.safeParse(JSON.parse(Buffer.from(claims, "base64url").toString()));
  return read.success && read.data.exp * 1_000 > Date.now() ? read.data : null;
}
