import { createHash, generateKeyPairSync } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findSecrets, mask } from "./secrets.ts";

/** Characters that look drawn, the same each time; no literal here is a credential of anyone. */
function drawn(length: number, alphabet: string, seed = "seed"): string {
  let text = "";
  for (let round = 0; text.length < length; round += 1) {
    const bytes = createHash("sha256").update(`${seed}${round}`).digest();
    for (const byte of bytes) text += alphabet.charAt(byte % alphabet.length);
  }
  return text.slice(0, length);
}
const HEX = "0123456789abcdef";
const ALNUM = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

const kinds = (text: string) => findSecrets(text).map(({ kind }) => kind);
const found = (text: string) => findSecrets(text).map(({ start, end }) => text.slice(start, end));

const TOKENS: readonly (readonly [kind: string, token: string])[] = [
  ["aws_access_key", `AKIA${drawn(16, BASE32)}`],
  ["github_token", `ghp_${drawn(36, ALNUM)}`],
  ["github_token", `github_pat_${drawn(22, ALNUM)}_${drawn(59, ALNUM, "b")}`],
  ["gitlab_token", `glpat-${drawn(20, ALNUM)}`],
  ["slack_token", `xoxb-${drawn(12, "123456789")}-${drawn(24, ALNUM)}`],
  [
    "slack_webhook",
    `https://hooks.slack.com/services/T${drawn(8, BASE32)}/B${drawn(8, BASE32, "b")}/${drawn(24, ALNUM)}`,
  ],
  ["stripe_key", `sk_live_${drawn(24, ALNUM)}`],
  ["google_api_key", `AIza${drawn(35, ALNUM)}`],
  ["google_oauth", `GOCSPX-${drawn(28, ALNUM)}`],
  ["openai_key", `sk-proj-${drawn(48, ALNUM)}`],
  ["openai_key", `sk-${drawn(20, ALNUM)}T3BlbkFJ${drawn(20, ALNUM, "b")}`],
  ["anthropic_key", `sk-ant-api03-${drawn(93, ALNUM)}-AA`],
  ["npm_token", `npm_${drawn(36, ALNUM)}`],
  ["pypi_token", `pypi-AgEIcHlwaS5vcmc${drawn(120, ALNUM)}`],
  ["provider_token", `hf_${drawn(34, ALNUM)}`],
  ["provider_token", `dop_v1_${drawn(64, HEX)}`],
];

const jwtOf = (payload: object) =>
  [JSON.stringify({ alg: "HS256", typ: "JWT" }), JSON.stringify(payload), drawn(32, ALNUM)]
    .map((part) => Buffer.from(part).toString("base64url"))
    .join(".");

describe("secrets of providers", () => {
  it.each(TOKENS)("%s is found in code, in prose and alone: %s", (kind, token) => {
    for (const text of [
      token,
      `x = "${token}"`,
      `Use ${token}, please.\n`,
      `curl -H 'A: ${token}'`,
    ]) {
      expect(found(text), text).toEqual([token]);
      expect(kinds(text)).toEqual([kind]);
    }
    // A part of a longer word is none.
    expect(found(`a${token}`).includes(token) && kind !== "slack_webhook").toBe(false);
  });

  it("are private keys, with escaped line ends as well", () => {
    const keys = Array.from({ length: 50 }, () => generateKeyPairSync("ed25519").privateKey);
    const rsa = generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey;
    for (const pem of [
      ...keys.map((key) => key.export({ type: "pkcs8", format: "pem" }).toString().trim()),
      rsa.export({ type: "pkcs1", format: "pem" }).toString().trim(),
    ]) {
      const escaped = JSON.stringify(pem).slice(1, -1);
      expect(found(`a\n${pem}\nb`), pem).toEqual([pem]);
      expect(found(`{"private_key": "${escaped}"}`), escaped).toEqual([escaped]);
      // Cut off, as in a snippet.
      expect(found(pem.slice(0, -10))).toHaveLength(1);
    }
    expect(found("-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----")).toEqual([]);
    const code =
      'if (pem.indexOf("-----BEGIN PRIVATE KEY-----") !== 0) throw new TypeError("it is none");';
    expect(found(code.repeat(3))).toEqual([]);
    expect(
      found(`-----BEGIN PUBLIC KEY-----\n${drawn(200, ALNUM)}\n-----END PUBLIC KEY-----`),
    ).toEqual([]);
  });

  it("are JSON web tokens, but not the one of tutorials", () => {
    const token = jwtOf({ sub: "42", scope: "admin" });
    expect(findSecrets(`Bearer ${token}\n`)).toEqual([
      { start: 7, end: 7 + token.length, kind: "jwt" },
    ]);
    expect(found(jwtOf({ sub: "1234567890", name: "John Doe", iat: 1516239022 }))).toEqual([]);
    expect(found("eyJhbGciOiJIUzI1NiJ9.not.one")).toEqual([]);
  });

  it("are passwords in URLs, where they are real", () => {
    expect(found("postgres://app:S3cr9tPw@db-prod.internal:5432/x")).toEqual(["S3cr9tPw"]);
    for (const url of [
      "postgres://postgres:postgres@db.internal/x",
      "https://user:password@host.internal",
      "redis://:${REDIS_PASSWORD}@cache.internal",
      "https://user:S3cr9tPw@localhost/",
      "https://user:S3cr9tPw@example.com/",
      "https://github.com/a:b/c@d",
      "http://[::1]:8080/a@b",
      "https://host.internal:8080/@scope/name",
    ]) {
      expect(found(url), url).toEqual([]);
    }
  });
});

describe("secrets that are assigned", () => {
  const key = drawn(40, ALNUM);
  it.each([
    [`const apiKey = "${key}";`],
    [`API_KEY=${key}\n`],
    [`export AWS_SECRET_ACCESS_KEY=${key}\n`],
    [`client_secret: '${key}'`],
    [`{"auth_token": "${key}"}`],
    [`config["token"] = "${key}"`],
    [`secret_key := "${key}"`],
    [`'secret' => '${key}',`],
    [`SECRET_KEY_BASE64 = "${key}"`],
    [`DB_TOKEN_PROD: ${key} # comment`],
  ])("%s is found", (text) => {
    expect(found(text)).toEqual([key]);
    expect(kinds(text)).toEqual(["assignment"]);
  });

  it("may be shorter when they are passwords", () => {
    expect(found('password = "h7Kp!2vQ"')).toEqual(["h7Kp!2vQ"]);
    expect(found("password = h7Kp!2vQ")).toEqual([]);
  });

  it.each([
    'password = "changeme"',
    'password: "changeme123"',
    'token = "${TOKEN}"',
    "TOKEN=${{ secrets.TOKEN }}",
    "API_KEY=xxxxxxxxxxxxxxxxxxxx",
    "secret = 'XXXXXXXXXXXXXXXXXXXX'",
    'apiKey: "<your-api-key-here-1234>"',
    'token = "your_token_goes_here_123"',
    'password = os.environ["PASSWORD_1"]',
    "token = getToken1234567890abc()",
    "token = config.auth.tokenProvider2",
    'password = "password123"',
    'secret = "00000000000000000000"',
    'api_key = "abcdefghijklmnop1234"',
    'api_key = "0123456789abcdef0123456789abcdef"',
    "password := r.FormValue(x)",
    'const tokenName = "aB3dE5gH7jK9mN1pQ3rS"',
    'token_url = "https://auth.internal/v1/token2"',
    'passwordField: "user-password-field-2"',
    'secretName: "my-app-secret-v2"',
    'token: "refresh-token-cookie-name"',
    "if (token == aB3dE5gH7jK9mN1pQ3rS) {}",
    'nextPageToken: "aB3dE5gH7jK9mN1pQ3rS"',
    'csrf_token = "aB3dE5gH7jK9mN1pQ3rS"',
    'password: "{{ vault_password_1 }}"',
    'secret: "arn:aws:secretsmanager:us-east-1:1:secret:x9"',
    'token: "sha512-aB3dE5gH7jK9mN1pQ3rS"',
    "tokenizer = 'aB3dE5gH7jK9mN1pQ3rS'",
    "password = None",
    "token: string;",
    "pwd = /home/user1/projects/x2/code.git",
    'key_file = "certs/private_key2.pem"',
    "const secret = `${prefix}-${id}-1234567890`;",
    'password="********"',
    "-- password: hunter2 --",
    '"token": "TODO: rotate 2024 token"',
    'JSON_CREDENTIALS: "MINIFLARE_R2_S3_CREDENTIALS"',
    'credentials: "experimentalS3CredentialsOfUser"',
    'TOKEN = "[A-Za-z0-9._~+/-]+=*"',
    '"AWS::ApiGateway::ApiKey": "48205d4ffd7feba3"',
  ])("%s is none", (text) => {
    expect(found(text)).toEqual([]);
  });

  it("are not the keys that documentation shows", () => {
    for (const text of [
      "AKIA" + "IOSFODNN7EXAMPLE",
      'aws_secret_access_key = "wJalrXUtnFEMI/K7MDENG/bPxRfiCY' + 'EXAMPLEKEY"',
      `ghp_${"x".repeat(36)}`,
      `ghp_${"a1b2c3d4e5f6".repeat(3).replace("e5f6a1", "xxxxxx")}`,
      "sk_test_" + "yourkeyyourkeyyourkey1",
      `npm_${"0".repeat(36)}`,
      "AIza" + "SyExampleExampleExampleExample12345",
      "sk-proj-" + "abcdefghijklmnopqrstuvwxyz0123456789abcdefghij",
      "xoxb-your-token-goes-right-here-0",
    ]) {
      expect(found(text), text).toEqual([]);
    }
  });
});

describe("spans", () => {
  it("are in order and apart, a provider's before an assignment's", () => {
    const token = TOKENS[1]?.[1] ?? "";
    const text = `token = "${token}"\nsecret="${drawn(32, ALNUM)}"\n${token}`;
    expect(kinds(text)).toEqual(["github_token", "assignment", "github_token"]);
    const piece = fc.constantFrom(
      ...TOKENS.map(([, one]) => one),
      'token="',
      '"',
      "\n",
      " = ",
      "password: ",
      "eyJ",
      "://a:",
      "@",
      drawn(20, ALNUM),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const whole = pieces.join("");
        let last = 0;
        for (const { start, end } of findSecrets(whole)) {
          expect(start).toBeGreaterThanOrEqual(last);
          expect(end).toBeGreaterThan(start);
          last = end;
        }
        const masked = mask(whole, findSecrets(whole));
        expect(masked).toHaveLength(whole.length);
        expect(masked.split("\n")).toHaveLength(whole.split("\n").length);
      }),
    );
  });

  it("are covered but for the first four characters", () => {
    const text = `key: ghp_${drawn(36, ALNUM)} end`;
    expect(mask(text, findSecrets(text))).toBe(`key: ghp_${"•".repeat(36)} end`);
    expect(mask('password="h7Kp!2vQ"', findSecrets('password="h7Kp!2vQ"'))).toBe(
      'password="h7••••••"',
    );
    expect(mask("a\nbcdefghijkl", [{ start: 0, end: 13, kind: "private_key" }])).toBe(
      "a\nbc•••••••••",
    );
    expect(mask("nothing", [])).toBe("nothing");
  });

  it("are found in texts that are all beginnings of secrets, before the lane's time is over", () => {
    for (const piece of [
      "-----BEGIN PRIVATE KEY-----",
      "eyJ",
      "eyJa.eyJ",
      "token",
      "token=",
      'token="',
      "ghp_",
      "ghp_a",
      "://",
      "://a:",
      "a:b@",
      "password: ",
      "sk-ant-",
      "glpat-aaaa.",
      "secret_key_key_key",
      "\\n",
      "-----BEGIN ",
      "api-key api-key",
      "://a:bbbbbbbbb@",
    ]) {
      const text = piece.repeat(Math.ceil(1_000_000 / piece.length));
      expect(findSecrets(text).length, piece).toBeLessThan(text.length / piece.length + 1);
    }
  });
});
