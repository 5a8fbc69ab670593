/**
 * Which IP addresses are public. Pure.
 *
 * The tables are IANA's special-purpose address registries, and the addresses at which clouds serve
 * credentials to their machines. IPv6 is the other way about: what is not global unicast is refused.
 */

interface Network {
  readonly cidr: string;
  readonly bytes: readonly number[];
  readonly bits: number;
  readonly purpose: string;
}

const IPV4_NETWORKS = networks({
  "0.0.0.0/8": "this network",
  "10.0.0.0/8": "private",
  "100.64.0.0/10": "shared by carriers",
  "127.0.0.0/8": "loopback",
  "168.63.129.16/32": "a cloud's metadata service",
  "169.254.0.0/16": "link-local, where clouds serve metadata",
  "172.16.0.0/12": "private",
  "192.0.0.0/24": "reserved for protocols",
  "192.0.2.0/24": "for documentation",
  "192.31.196.0/24": "for AS112",
  "192.52.193.0/24": "for multicast tunnels",
  "192.88.99.0/24": "for 6to4 relays",
  "192.168.0.0/16": "private",
  "192.175.48.0/24": "for AS112",
  "198.18.0.0/15": "for benchmarks",
  "198.51.100.0/24": "for documentation",
  "203.0.113.0/24": "for documentation",
  "224.0.0.0/4": "multicast",
  "240.0.0.0/4": "reserved or broadcast",
});

const IPV6_GLOBAL_UNICAST = network("2000::/3", "global unicast");

const IPV6_NETWORKS = networks({
  "::/128": "unspecified",
  "::1/128": "loopback",
  "::ffff:0:0/96": "an IPv4 address in disguise",
  "::/96": "an IPv4 address in disguise",
  "64:ff9b::/96": "an IPv4 address behind NAT64",
  "64:ff9b:1::/48": "an IPv4 address behind NAT64",
  "100::/64": "discarded",
  "100:0:0:1::/64": "a dummy prefix",
  "2001::/32": "a Teredo tunnel",
  "2001::/23": "reserved for protocols",
  "2001:db8::/32": "for documentation",
  "2002::/16": "a 6to4 tunnel",
  "2620:4f:8000::/48": "for AS112",
  "3fff::/20": "for documentation",
  "5f00::/16": "for segment routing",
  "fc00::/7": "private",
  "fe80::/10": "link-local",
  "fec0::/10": "site-local",
  "ff00::/8": "multicast",
});

/** Every range that is refused, as CIDR, for runtimes that filter connections themselves. */
export const REFUSED_CIDRS: readonly string[] = [...IPV4_NETWORKS, ...IPV6_NETWORKS].map(
  ({ cidr }) => cidr,
);

/** The address's bytes, 4 or 16 of them; null for text that is no address in canonical notation. */
export function parseAddress(text: string): readonly number[] | null {
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** Says why an address may not be connected to; null when it is public. */
export function whyNotPublic(address: string): string | null {
  const bytes = parseAddress(address);
  if (bytes === null) return `"${address.slice(0, 100)}" is not an IP address`;
  const table = bytes.length === 4 ? IPV4_NETWORKS : IPV6_NETWORKS;
  const found = table.find((candidate) => contains(candidate, bytes));
  if (found !== undefined) return `${address} is not public: ${found.purpose} (${found.cidr})`;
  if (bytes.length === 16 && !contains(IPV6_GLOBAL_UNICAST, bytes)) {
    return `${address} is not public: outside ${IPV6_GLOBAL_UNICAST.cidr}`;
  }
  return null;
}

function parseIpv4(text: string): readonly number[] | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  const bytes = parts.map((part) => (/^(0|[1-9]\d{0,2})$/.test(part) ? Number(part) : 256));
  return bytes.every((byte) => byte < 256) ? bytes : null;
}

function parseIpv6(text: string): readonly number[] | null {
  const [head = "", tail, ...more] = text.split("::");
  if (more.length > 0) return null;
  const before = parseGroups(head, tail === undefined);
  const after = tail === undefined ? [] : parseGroups(tail, true);
  if (before === null || after === null) return null;
  const missing = 16 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 2) return null;
  return [...before, ...new Array<number>(missing).fill(0), ...after];
}

/** The last group may be an IPv4 address when the whole address ends there. */
function parseGroups(text: string, last: boolean): readonly number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    if (last && index === groups.length - 1 && group.includes(".")) {
      const embedded = parseIpv4(group);
      if (embedded === null) return null;
      bytes.push(...embedded);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(group)) return null;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}

function networks(purposes: Readonly<Record<string, string>>): readonly Network[] {
  return Object.entries(purposes).map(([cidr, purpose]) => network(cidr, purpose));
}

function network(cidr: string, purpose: string): Network {
  const [address = "", bits] = cidr.split("/");
  return { cidr, bytes: parseAddress(address) ?? [], bits: Number(bits), purpose };
}

function contains({ bytes, bits }: Network, address: readonly number[]): boolean {
  return bytes.every((byte, index) => {
    const significant = Math.min(8, Math.max(0, bits - index * 8));
    const mask = (0xff << (8 - significant)) & 0xff;
    return (byte & mask) === ((address[index] ?? 0) & mask);
  });
}
