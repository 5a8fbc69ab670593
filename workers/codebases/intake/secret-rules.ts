/** The shapes of credentials that providers give out. Facts of their formats, one row each. */

export type SecretKind =
  | "aws_access_key"
  | "github_token"
  | "gitlab_token"
  | "slack_token"
  | "slack_webhook"
  | "stripe_key"
  | "google_api_key"
  | "google_oauth"
  | "openai_key"
  | "anthropic_key"
  | "npm_token"
  | "pypi_token"
  | "private_key"
  | "jwt"
  | "url_password"
  | "provider_token"
  | "assignment";

export interface TokenRule {
  readonly kind: SecretKind;
  readonly prefixes: readonly string[];
  /** What may follow the prefix. */
  readonly alphabet: Alphabet;
  /** How many characters follow; more than `max` are no token of this kind. */
  readonly min: number;
  readonly max: number;
  /** A part that every token of the kind has, after its prefix. */
  readonly holds?: string;
}

const DIGITS = "0123456789";
const UPPER = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER = UPPER.toLowerCase();

/** Membership of an ASCII character, by its code. */
export class Alphabet {
  readonly #members = new Uint8Array(128);

  constructor(characters: string) {
    for (const char of characters) this.#members[char.charCodeAt(0)] = 1;
  }

  has(code: number): boolean {
    return this.#members[code] === 1;
  }
}

export const ALPHANUMERIC = new Alphabet(UPPER + LOWER + DIGITS);
export const WORD = new Alphabet(`${UPPER + LOWER + DIGITS}_`);
export const BASE64_URL = new Alphabet(`${UPPER + LOWER + DIGITS}_-`);
/** Base-64 in lines, with the headers of encrypted keys, or as literals of a program. */
export const PEM_BODY = new Alphabet(`${UPPER + LOWER + DIGITS}+/=:.,-"'\\ \t\r\n`);
const DOTTED = new Alphabet(`${UPPER + LOWER + DIGITS}_.-`);
const PATH = new Alphabet(`${UPPER + LOWER + DIGITS}/`);
const BASE32 = new Alphabet(`${UPPER}234567`);
const HEX = new Alphabet(`${DIGITS}abcdef`);
const UPPER_DIGITS = new Alphabet(UPPER + DIGITS);

type Row = readonly [
  kind: SecretKind,
  prefixes: string,
  alphabet: Alphabet,
  min: number,
  max: number,
  holds?: string,
];

const ROWS: readonly Row[] = [
  ["aws_access_key", "AKIA ASIA ABIA ACCA", BASE32, 16, 16],
  ["github_token", "ghp_ gho_ ghu_ ghs_ ghr_", ALPHANUMERIC, 36, 255],
  ["github_token", "github_pat_", WORD, 60, 255],
  [
    "gitlab_token",
    "glpat- gldt- glrt- glcbt- glptt- glft- glimt- glagent- gloas- glsoat-",
    DOTTED,
    20,
    300,
  ],
  [
    "slack_token",
    "xoxb- xoxp- xoxa- xoxr- xoxs- xoxe- xoxe.xoxb- xoxe.xoxp- xapp-",
    BASE64_URL,
    20,
    300,
  ],
  [
    "slack_webhook",
    "https://hooks.slack.com/services/ https://hooks.slack.com/workflows/",
    PATH,
    40,
    120,
  ],
  ["stripe_key", "sk_live_ rk_live_ sk_test_ rk_test_", ALPHANUMERIC, 16, 250],
  ["stripe_key", "whsec_", ALPHANUMERIC, 32, 64],
  ["google_api_key", "AIza", BASE64_URL, 35, 35],
  ["google_oauth", "GOCSPX-", BASE64_URL, 28, 28],
  ["google_oauth", "ya29.", DOTTED, 40, 500],
  ["openai_key", "sk-proj- sk-svcacct- sk-admin-", BASE64_URL, 40, 250],
  ["openai_key", "sk-", ALPHANUMERIC, 40, 60, "T3BlbkFJ"],
  ["anthropic_key", "sk-ant-", BASE64_URL, 40, 250],
  ["npm_token", "npm_", ALPHANUMERIC, 36, 36],
  ["pypi_token", "pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBpLm9yZw", BASE64_URL, 50, 500],
  ["provider_token", "hf_", ALPHANUMERIC, 34, 37],
  ["provider_token", "dop_v1_ doo_v1_ dor_v1_", HEX, 64, 64],
  ["provider_token", "SG.", DOTTED, 60, 70],
  ["provider_token", "shpat_ shpca_ shppa_ shpss_", HEX, 32, 32],
  ["provider_token", "lin_api_", ALPHANUMERIC, 40, 40],
  ["provider_token", "dp.pt. dp.st. dp.ct.", ALPHANUMERIC, 40, 60],
  ["provider_token", "hvs. hvb.", BASE64_URL, 90, 300],
  ["provider_token", "pscale_tkn_ pscale_pw_", DOTTED, 32, 64],
  ["provider_token", "sbp_", HEX, 40, 40],
  ["provider_token", "PMAK-", BASE64_URL, 59, 59],
  ["provider_token", "NRAK-", UPPER_DIGITS, 27, 27],
  ["provider_token", "glsa_", WORD, 41, 41],
  ["provider_token", "dckr_pat_", BASE64_URL, 27, 64],
  ["provider_token", "AGE-SECRET-KEY-1", UPPER_DIGITS, 58, 58],
  ["provider_token", "e2b_", HEX, 40, 40],
  ["provider_token", "sntrys_", BASE64_URL, 60, 300],
  // What this service gives out itself.
  ["provider_token", "plz_", BASE64_URL, 52, 52],
  ["provider_token", "figd_", BASE64_URL, 40, 60],
];

export const TOKEN_RULES: readonly TokenRule[] = ROWS.map(
  ([kind, prefixes, alphabet, min, max, holds]) => ({
    kind,
    prefixes: prefixes.split(" "),
    alphabet,
    min,
    max,
    ...(holds === undefined ? {} : { holds }),
  }),
);
