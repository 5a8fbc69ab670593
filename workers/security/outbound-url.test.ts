import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseAddress, REFUSED_CIDRS, whyNotPublic } from "./outbound-addresses.ts";
import { parseHostRule } from "./outbound-hosts.ts";
import { checkUrl } from "./outbound-url.ts";

const refusedUrls = [
  // Loopback, in every notation that a parser accepts.
  "http://127.0.0.1/",
  "http://127.0.0.1:8080/x",
  "http://127.1/",
  "http://127.0.1/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0x7f.0.0.1/",
  "http://0177.0.0.1/",
  "http://017700000001/",
  "http://0x7f.1/",
  "http://127.0.0.1./",
  "http://127.255.255.254/",
  "http://%31%32%37.0.0.1/",
  "http://127%2e0%2e0%2e1/",
  "http://127。0。0。1/",
  "http://127.0.0.1/",
  "http://①②⑦.⓪.⓪.①/",
  "http://𝟙𝟚𝟟.𝟘.𝟘.𝟙/",
  "HTTP://127.0.0.1/",
  "hTtPs://127.0.0.1/",
  "http:127.0.0.1",
  "http:///127.0.0.1/",
  "http://00000000177.0.0.1/",
  // Parsers that overflow.
  "http://4294967297/",
  "http://127.0.0.256/",
  "http://0x100000000/",
  "http://1.2.3.4.5/",
  "http://1.2.3.08/",
  "http://example.0x7f/",
  "http://example.1/",
  // The other special-purpose IPv4 ranges, first and last addresses.
  "http://0/",
  "http://0.0.0.0/",
  "http://0.255.255.255/",
  "http://10.0.0.0/",
  "http://10.255.255.255/",
  "http://100.64.0.1/",
  "http://100.127.255.255/",
  "http://100.100.100.200/latest/meta-data",
  "http://168.63.129.16/",
  "http://169.254.0.1/",
  "http://169.254.169.254/latest/meta-data/",
  "http://0xa9fea9fe/",
  "http://2852039166/",
  "http://172.16.0.1/",
  "http://172.31.255.255/",
  "http://192.0.0.1/",
  "http://192.0.0.192/",
  "http://192.0.2.1/",
  "http://192.31.196.1/",
  "http://192.52.193.1/",
  "http://192.88.99.1/",
  "http://192.168.0.1/",
  "http://192.168.255.255/",
  "http://192.175.48.1/",
  "http://198.18.0.1/",
  "http://198.19.255.255/",
  "http://198.51.100.7/",
  "http://203.0.113.7/",
  "http://224.0.0.1/",
  "http://239.255.255.255/",
  "http://240.0.0.1/",
  "http://255.255.255.255/",
  // IPv6.
  "http://[::]/",
  "http://[::1]/",
  "http://[0:0:0:0:0:0:0:1]/",
  "http://[0000::0001]:80/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[::FFFF:8.8.8.8]/",
  "http://[::127.0.0.1]/",
  "http://[::7f00:1]/",
  "http://[64:ff9b::127.0.0.1]/",
  "http://[64:ff9b::a9fe:a9fe]/",
  "http://[64:ff9b:1::1]/",
  "http://[100::1]/",
  "http://[100:0:0:1::1]/",
  "http://[2001::1]/",
  "http://[2001:0:7f00:1::]/",
  "http://[2001:2::1]/",
  "http://[2001:10::1]/",
  "http://[2001:20::1]/",
  "http://[2001:db8::1]/",
  "http://[2002:7f00:1::]/",
  "http://[2002:a9fe:a9fe::1]/",
  "http://[2620:4f:8000::1]/",
  "http://[3fff::1]/",
  "http://[4000::1]/",
  "http://[5f00::1]/",
  "http://[fc00::1]/",
  "http://[fd00:ec2::254]/",
  "http://[fe80::1]/",
  "http://[fe80::1%25eth0]/",
  "http://[fe80::1%eth0]/",
  "http://[fec0::1]/",
  "http://[ff02::1]/",
  "http://[::1",
  "http://::1/",
  // Local names.
  "http://localhost/",
  "http://LOCALHOST/",
  "http://localhost./",
  "http://ⓛocalhost/",
  "http://lo­calhost/",
  "http://%6c%6f%63alhost/",
  "http://foo.localhost/",
  "http://foo.localhost.:3000/",
  "http://localhost.localdomain/",
  "http://printer.local/",
  "http://metadata.google.internal/computeMetadata/v1/",
  "http://metadata/",
  "http://instance-data.ec2.internal/",
  "http://kubernetes.default.svc.cluster.local/",
  "http://host.docker.internal/",
  "http://router.home.arpa/",
  "http://intranet/",
  "http://db.corp/",
  "http://x.onion/",
  "http://x.test/",
  "http://example..com/",
  "http://.example.com/",
  "http://example.com../",
  "http://-x.example.com/",
  `http://${"a".repeat(64)}.com/`,
  `http://${"a.".repeat(130)}com/`,
  // User information, and hosts that are not what they look like.
  "http://good.com@127.0.0.1/",
  "http://127.0.0.1#@good.com/",
  "http://127.0.0.1?@good.com/",
  "http://127.0.0.1/@good.com",
  "http://user:pass@good.com/",
  "http://@good.com/",
  "http:@good.com/",
  "http://good.com:80@127.0.0.1/",
  "http://good.com%40127.0.0.1/",
  "http://good.com\\@127.0.0.1/",
  "http://127.0.0.1\\@good.com/",
  "http:\\\\good.com/",
  "http://good.com\t@127.0.0.1/",
  "ht\ntp://good.com/",
  "http://127.0.\n0.1/",
  " http://good.com/",
  "http://good.com /",
  "http://good.com\u00a0/",
  "http://good.com\r\nHost: x/",
  "http://good.com\0.evil.com/",
  "http://good.com℀.evil.com/",
  "http://good.com＠127.0.0.1/",
  "http://good.com／@127.0.0.1/",
  "http://good.com:99999/",
  "http://good.com:0/",
  // Other schemes.
  "file:///etc/passwd",
  "ftp://good.com/",
  "gopher://good.com:25/_x",
  "data:text/plain,x",
  "javascript:alert(1)",
  "blob:https://good.com/x",
  "ws://good.com/",
  "//good.com/",
  "good.com",
  "/path",
  "",
  `http://good.com/${"a".repeat(9000)}`,
];

const allowedUrls: [string, string][] = [
  ["http://good.com/", "good.com"],
  ["https://good.com/a?b#c@d", "good.com"],
  ["HTTPS://GOOD.COM:8443/", "good.com"],
  ["https://good.com./", "good.com"],
  ["https://good.com/p@th?q=@", "good.com"],
  ["https://münchen.example.org/", "xn--mnchen-3ya.example.org"],
  ["https://_dmarc.good.com/", "_dmarc.good.com"],
  ["http://8.8.8.8/", "8.8.8.8"],
  ["http://0x08080808/", "8.8.8.8"],
  ["http://1.1.1.1:8080/", "1.1.1.1"],
  ["http://172.15.255.255/", "172.15.255.255"],
  ["http://172.32.0.0/", "172.32.0.0"],
  ["http://100.63.255.255/", "100.63.255.255"],
  ["http://100.128.0.0/", "100.128.0.0"],
  ["http://198.17.255.255/", "198.17.255.255"],
  ["http://223.255.255.255/", "223.255.255.255"],
  ["http://[2606:4700:4700::1111]/", "[2606:4700:4700::1111]"],
  ["http://[2001:4860:4860:0:0:0:0:8888]/", "[2001:4860:4860::8888]"],
  ["https://notlocalhost.com/", "notlocalhost.com"],
  ["https://local.good.com/", "local.good.com"],
];

describe("checkUrl", () => {
  it.each(refusedUrls)("refuses %j", (url) => {
    expect(checkUrl(url)).toEqual({ allowed: false, reason: expect.stringMatching(/\w/) });
  });

  it.each(allowedUrls)("allows %j as %s", (url, host) => {
    expect(checkUrl(url)).toMatchObject({ allowed: true, host, exempt: false });
  });

  it("tells names from addresses, and the port", () => {
    expect(checkUrl("https://good.com/")).toMatchObject({ kind: "name", port: 443 });
    expect(checkUrl("http://good.com:443/")).toMatchObject({ kind: "name", port: 443 });
    expect(checkUrl("http://[2606:4700::1]/")).toMatchObject({ kind: "address", port: 80 });
  });

  it("exempts exactly what the operator lists", () => {
    const rules = ["localhost:3000", "10.0.0.5", "[::1]", "DB.internal"].flatMap(
      (text) => parseHostRule(text) ?? [],
    );
    for (const url of [
      "http://localhost:3000/",
      "http://LOCALHOST.:3000/",
      "http://10.0.0.5/",
      "http://0xa000005:81/",
      "http://[0:0::1]:9/",
      "http://db.internal/",
    ]) {
      expect(checkUrl(url, rules), url).toMatchObject({ allowed: true, exempt: true });
    }
    for (const url of [
      "http://localhost/",
      "http://localhost:3001/",
      "http://a.localhost:3000/",
      "http://10.0.0.6/",
      "http://x.db.internal/",
      "http://x@10.0.0.5/",
      "ftp://10.0.0.5/",
    ]) {
      expect(checkUrl(url, rules), url).toMatchObject({ allowed: false });
    }
  });

  it("never allows an address that a notation of IPv4 hides", () => {
    const byte = fc.nat(255);
    const form = fc.constantFrom<(n: number) => string>(
      (n) => String(n),
      (n) => `0x${n.toString(16)}`,
      (n) => `0${n.toString(8)}`,
      (n) => `0X${n.toString(16).toUpperCase()}`,
    );
    fc.assert(
      fc.property(
        fc.tuple(byte, byte, byte, byte),
        fc.tuple(form, form, form, form),
        fc.nat(3),
        (bytes, forms, joined) => {
          const [a, b, c, d] = bytes;
          // The last part may hold the bytes of those left out.
          const parts =
            [
              [a, b, c, d],
              [a, b, c * 256 + d],
              [a, (b * 256 + c) * 256 + d],
              [((a * 256 + b) * 256 + c) * 256 + d],
            ][joined] ?? [];
          const host = parts.map((part, index) => (forms[index] ?? String)(part)).join(".");
          const verdict = checkUrl(`http://${host}/`);
          expect(verdict.allowed).toBe(whyNotPublic(bytes.join(".")) === null);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("whyNotPublic", () => {
  it("refuses the first address of every refused range", () => {
    expect(REFUSED_CIDRS.length).toBeGreaterThan(35);
    for (const cidr of REFUSED_CIDRS) {
      expect(whyNotPublic(cidr.split("/")[0] ?? ""), cidr).toMatch(/not public/);
    }
  });

  it.each([
    "",
    "example.com",
    "1.2.3",
    "1.2.3.4.5",
    "01.2.3.4",
    "256.1.1.1",
    "::1::",
    "1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:8:9",
    "1::2:3:4:5:6:7:8",
    "g::",
    "::1%eth0",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "::1.2.3",
  ])("takes %j for no address", (text) => {
    expect(parseAddress(text)).toBeNull();
    expect(whyNotPublic(text)).not.toBeNull();
  });

  it("reads every notation of IPv6", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
        expect(parseAddress(text)).toHaveLength(16);
        expect(parseAddress(text)).toEqual(parseAddress(canonical));
      }),
    );
  });
});
