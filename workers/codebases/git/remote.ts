/** A repository on a git server, by smart HTTP: what it has, and one commit of it. */
import type { Outbound } from "../../security/outbound.ts";
import type { ByteSource } from "../intake/byte-reader.ts";
import { type Advertisement, readAdvertisement } from "./advertisement.ts";
import { MAX_PACK_BYTES, noRepository, PackTooLarge, serverError, tooManyRefs } from "./errors.ts";
import { FLUSH_PKT, pktLine, pktLines } from "./pkt-line.ts";

const SERVICE = "git-upload-pack";
const REFS_PATH = `/info/refs`;
/** Some servers speak git's protocol to clients alone that are called so. */
const USER_AGENT = "git/2.0 (pipelzr)";
const MAX_ADVERTISEMENT_BYTES = 32 * 1024 * 1024;
const NEEDED_CAPABILITY = "side-band-64k";
/** Some servers insist on the first, which says nothing where no commit is known yet. */
const OFFERED_CAPABILITIES = ["multi_ack_detailed", "ofs-delta", "no-progress"];

/** An answer that is no success, as it is. */
export type Refused = (response: Response, url: URL) => Promise<never>;

export interface GitRemoteOptions {
  readonly outbound: Outbound;
  readonly url: string;
  /** The value of `Authorization`, for the host of the address alone; null for none. */
  readonly authorization: string | null;
  /** Ends what takes too long. */
  readonly signal: AbortSignal;
  readonly refused: Refused;
}

export class GitRemote {
  readonly #options: GitRemoteOptions;
  readonly #origin: string;
  /** Where the repository is, without a slash at the end; known anew once it has redirected. */
  #base: string;
  #capabilities: ReadonlySet<string> = new Set();

  constructor(options: GitRemoteOptions) {
    const { origin, pathname } = new URL(options.url);
    this.#options = options;
    this.#origin = origin;
    this.#base = origin + pathname.replace(/\/+$/, "");
  }

  /** Asks what it has; throws IntakeError when it is no repository. */
  async advertisement(): Promise<Advertisement> {
    const headers = this.#headers();
    const request = new Request(`${this.#base}${REFS_PATH}?service=${SERVICE}`, {
      headers,
      signal: this.#options.signal,
    });
    let at = new URL(request.url);
    const response = await this.#options.outbound(request, {
      permit: ({ url }) => {
        at = url;
        return null;
      },
    });
    // Some answer with a page to sign in, under a status of its own.
    if (!response.ok || response.status === 203) return this.#options.refused(response, at);
    const type = response.headers.get("content-type") ?? "";
    if (response.body === null || !type.startsWith(`application/x-${SERVICE}-advertisement`)) {
      await response.body?.cancel();
      throw noRepository();
    }
    if (!at.pathname.endsWith(REFS_PATH)) throw noRepository();
    this.#base = at.origin + at.pathname.slice(0, -REFS_PATH.length);
    const body = limited(response.body, MAX_ADVERTISEMENT_BYTES);
    const advertisement = await readAdvertisement(body);
    this.#capabilities = advertisement.capabilities;
    return advertisement;
  }

  /**
   * The packfile of one commit without those before it, as it comes. To be asked for after
   * `advertisement`. Throws `source_too_large` when it is longer than is taken.
   */
  async *pack(oid: string): AsyncGenerator<Uint8Array, void> {
    if (!this.#capabilities.has(NEEDED_CAPABILITY)) throw noRepository();
    const offered = OFFERED_CAPABILITIES.filter((name) => this.#capabilities.has(name));
    const wanted = [NEEDED_CAPABILITY, ...offered].join(" ");
    const isShallow = this.#capabilities.has("shallow");
    const body = [
      pktLine(`want ${oid} ${wanted}\n`),
      ...(isShallow ? [pktLine("deepen 1\n")] : []),
      FLUSH_PKT,
      pktLine("done\n"),
    ].join("");
    const { signal } = this.#options;
    const url = `${this.#base}/${SERVICE}`;
    const headers = this.#headers();
    headers.set("content-type", `application/x-${SERVICE}-request`);
    headers.set("accept", `application/x-${SERVICE}-result`);
    const request = new Request(url, { method: "POST", headers, body, signal });
    const response = await this.#options.outbound(request);
    if (!response.ok) return this.#options.refused(response, new URL(url));
    if (response.body === null) throw noRepository();
    yield* packOf(response.body);
  }

  #headers(): Headers {
    const headers = new Headers({ "user-agent": USER_AGENT });
    const { authorization } = this.#options;
    if (authorization !== null && new URL(this.#base).origin === this.#origin) {
      headers.set("authorization", authorization);
    }
    return headers;
  }
}

/** What the server sends of the pack, between what it says about it. */
async function* packOf(source: ByteSource): AsyncGenerator<Uint8Array, void> {
  let bytes = 0;
  let isPack = false;
  for await (const line of pktLines(source)) {
    if (line === null) {
      if (isPack) return;
      continue;
    }
    if (!isPack) {
      isPack = line.toString("latin1", 0, 3) === "NAK";
      continue;
    }
    const band = line[0];
    const rest = line.subarray(1);
    if (band === 3) throw serverError(rest.toString());
    if (band !== 1) continue;
    bytes += rest.byteLength;
    if (bytes > MAX_PACK_BYTES) throw new PackTooLarge();
    yield rest;
  }
}

async function* limited(source: ByteSource, maxBytes: number): AsyncGenerator<Uint8Array, void> {
  let bytes = 0;
  for await (const piece of source) {
    bytes += piece.byteLength;
    if (bytes > maxBytes) throw tooManyRefs(maxBytes);
    yield piece;
  }
}
