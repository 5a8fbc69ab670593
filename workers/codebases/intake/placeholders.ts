/** Tells values that only stand where a secret would: examples, templates, filler. */

/** Words that nobody's secret holds, and documentation's does. */
const WORDS =
  /example|sample|placeholder|change[-_ ]?(?:me|this|it)|dummy|fake|your|redacted|insert|replace|todo|fixme|not[-_ ]?(?:a[-_ ]?)?(?:real|secret)|foobar|lorem|xxxx|\*{3}|\.{3}|test[-_]?(?:key|token|secret|password)|supersecret|my[-_]?(?:secret|password|token)|abc123|secret123|password\d*$|passw0rd|letmein|qwerty|deadbeef|cafebabe/i;
/** Filled in later: shells, templates, formats, markup. */
const TEMPLATE =
  /\$\{|\$\(|\{\{|\}\}|<[^>]{0,64}>|%[sdvq(]|#\{|^\$|^%|^@|\{\w{0,64}\}|process\.env|os\.environ|getenv/;
/** Counting up, in digits or letters or as a range of a pattern, is typed and not drawn. */
const SEQUENCE = /0123456|1234567|abcdefg|ABCDEFG|7654321|zyxwvut|A-Za-z|a-zA-Z|0-9a-f/;

export function isPlaceholder(value: string): boolean {
  return WORDS.test(value) || TEMPLATE.test(value) || SEQUENCE.test(value) || isMonotonous(value);
}

/**
 * Whether a long value is typed and not drawn. Among hundreds of characters of base-64 short words
 * turn up by chance, and real keys hold runs of zeros, so neither counts here.
 */
export function isFiller(value: string): boolean {
  return /example|placeholder|redacted|\.{3}|x{16}/i.test(value) || new Set(value).size < 16;
}

/** Whether few characters make up all of a long value. */
function isMonotonous(value: string): boolean {
  const distinct = new Set(value).size;
  return distinct <= Math.min(4, value.length / 3) || /(.)\1{5}/.test(value);
}

/** Shannon's entropy in bits per character: random base-64 of 40 characters has about 4.7. */
export function entropyBits(value: string): number {
  const counts = new Map<string, number>();
  for (const char of value) counts.set(char, (counts.get(char) ?? 0) + 1);
  let bits = 0;
  for (const count of counts.values()) {
    const share = count / value.length;
    bits -= share * Math.log2(share);
  }
  return bits;
}
