import { expect, test } from "vitest";
import { configurationProblems } from "./configuration.ts";
import { freshDevVars } from "./dev-vars.ts";

const fresh = freshDevVars();

test("what is made for a new service has no problems", async () => {
  expect(await configurationProblems(fresh)).toEqual([]);
});

test("names each variable that is malformed, with its value and what it must be", async () => {
  const variables = { ...fresh, RATE_LIMIT_REQUESTS: "abc", RATE_LIMIT_WINDOW: "0", DEBUG: "yes" };
  expect(await configurationProblems(variables)).toEqual([
    'DEBUG is "yes": It must be true or false.',
    'RATE_LIMIT_REQUESTS is "abc": It must be a whole number above 0.',
    'RATE_LIMIT_WINDOW is "0": It must be a whole number above 0.',
  ]);
});

test("names secrets that are refused, and does not show them", async () => {
  const secret = "short-one";
  const problems = await configurationProblems({
    ...fresh,
    SECRET_KEY: secret,
    SECRETS_MASTER_KEYS: `k1:${secret}`,
  });
  expect(problems).toEqual([
    expect.stringMatching(/^SECRET_KEY: It is shorter than 32 characters; set a random one/),
    expect.stringMatching(/^SECRETS_MASTER_KEYS: Entry 1 of SECRETS_MASTER_KEYS is not a key\./),
  ]);
  expect(problems.join()).not.toContain(secret);
});
