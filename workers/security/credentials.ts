/** Finds the credential of a request. */
import { ApiError } from "../http/errors.ts";

/** Longer ones are nobody's: the largest tokens of known issuers are a third of this. */
const MAX_CREDENTIAL_CHARACTERS = 8192;

/**
 * The token of `Authorization: Bearer …` or of `X-API-Key`; null when there is none.
 * Throws `unauthenticated` for another scheme, and when the two headers disagree.
 */
export function readCredential(headers: Headers): string | null {
  const authorization = headers.get("authorization");
  const apiKey = headers.get("x-api-key")?.trim() ?? null;
  const bearer = authorization === null ? null : readBearer(authorization);
  if (bearer !== null && apiKey !== null && bearer !== apiKey) {
    throw unauthenticated("Authorization and X-API-Key name different credentials; send one.");
  }
  const credential = bearer ?? apiKey;
  if (credential === null) return null;
  if (credential === "" || credential.length > MAX_CREDENTIAL_CHARACTERS) {
    throw unauthenticated("The credential is empty or too long to be one.");
  }
  return credential;
}

function readBearer(authorization: string): string {
  const match = /^Bearer +([^\s]+) *$/i.exec(authorization);
  if (match?.[1] === undefined) {
    throw unauthenticated("The Authorization header is not of the form `Bearer <key or token>`.");
  }
  return match[1];
}

/** The 401 of a credential that was sent and is not good. */
export function unauthenticated(detail: string, cause?: unknown): ApiError {
  return new ApiError("unauthenticated", detail, {
    headers: { "WWW-Authenticate": 'Bearer realm="pipelzr", error="invalid_token"' },
    cause,
  });
}

/** The 401 of a request without a credential. */
export function credentialRequired(): ApiError {
  return new ApiError(
    "unauthenticated",
    "This call needs an API key or a CommandCentral token. Send it as `Authorization: Bearer <key or token>` or `X-API-Key: <key>`.",
    { headers: { "WWW-Authenticate": 'Bearer realm="pipelzr"' } },
  );
}
