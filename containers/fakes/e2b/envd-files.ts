/** envd's REST interface to files. */
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, stat, writeFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip, createGzip, gunzipSync } from "node:zlib";
import { type Exchange, HttpError } from "./exchange.ts";
import type { Faults } from "./faults.ts";
import { assertFileAccess } from "./file-access.ts";
import type { Sandbox } from "./sandbox.ts";
import {
  DEFAULT_USER,
  expandPath,
  HOMES,
  type Location,
  PathError,
  SandboxPaths,
} from "./sandbox-paths.ts";

const METADATA_HEADER = "x-metadata-";

const STATUS_OF_KIND = { bad: 400, missing: 404, loop: 500, read_only: 500 } as const;

function homeOf(exchange: Exchange): string {
  const user = exchange.query("username") ?? DEFAULT_USER;
  const home = HOMES[user];
  if (home === undefined) throw new HttpError(401, `there is no user '${user}'`);
  return home;
}

async function read(exchange: Exchange, sandbox: Sandbox): Promise<void> {
  const path = expandPath(exchange.query("path") ?? "", homeOf(exchange));
  const { host } = await sandbox.paths.follow(path);
  const found = await stat(host).catch(() => null);
  if (!found) throw new HttpError(404, `the path '${path}' does not exist`);
  if (found.isDirectory()) throw new HttpError(400, `the path '${path}' is a directory`);
  const name = encodeURIComponent(basename(path));
  const headers = {
    "content-type": "application/octet-stream",
    "content-disposition": `inline; filename*=utf-8''${name}`,
    vary: "accept-encoding",
  };
  const { response } = exchange;
  if (/\bgzip\b/.test(exchange.header("accept-encoding") ?? "")) {
    response.writeHead(200, { ...headers, "content-encoding": "gzip" });
    await pipeline(createReadStream(host), createGzip(), response);
  } else {
    response.writeHead(200, { ...headers, "content-length": found.size });
    await pipeline(createReadStream(host), response);
  }
}

function metadataOf(exchange: Exchange): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const [name, value] of Object.entries(exchange.request.headers)) {
    const key = name.startsWith(METADATA_HEADER) ? name.slice(METADATA_HEADER.length) : "";
    if (key !== "" && typeof value === "string") metadata[key] = value;
  }
  return metadata;
}

async function placeFor(sandbox: Sandbox, path: string): Promise<Location> {
  const at = await sandbox.paths.follow(path);
  SandboxPaths.assertWritable(at);
  const found = await stat(at.host).catch(() => null);
  if (found?.isDirectory()) throw new HttpError(400, `the path '${path}' is a directory`);
  await mkdir(dirname(at.host), { recursive: true });
  return at;
}

function uploaded(sandbox: Sandbox, at: Location, metadata: Record<string, string>): object {
  const given = Object.keys(metadata).length > 0;
  if (given) sandbox.fileMetadata.set(at.host, metadata);
  else sandbox.fileMetadata.delete(at.host);
  return { path: at.path, name: basename(at.path), type: "file", ...(given && { metadata }) };
}

async function uploadRaw(exchange: Exchange, sandbox: Sandbox): Promise<object[]> {
  const path = exchange.query("path");
  if (path === undefined) throw new HttpError(400, "a raw upload names its path in the query");
  const at = await placeFor(sandbox, expandPath(path, homeOf(exchange)));
  const source: Readable = exchange.request;
  const target = createWriteStream(at.host);
  if (exchange.header("content-encoding") === "gzip") {
    await pipeline(source, createGunzip(), target);
  } else {
    await pipeline(source, target);
  }
  return [uploaded(sandbox, at, metadataOf(exchange))];
}

async function uploadForm(exchange: Exchange, sandbox: Sandbox, type: string): Promise<object[]> {
  const raw = await exchange.bytes();
  const body = exchange.header("content-encoding") === "gzip" ? gunzipSync(raw) : raw;
  const form = await new Response(body, { headers: { "content-type": type } })
    .formData()
    .catch(() => {
      throw new HttpError(500, "the form cannot be read");
    });
  const home = homeOf(exchange);
  const files: object[] = [];
  const written = new Set<string>();
  for (const part of form.getAll("file")) {
    if (typeof part === "string") continue;
    const at = await placeFor(sandbox, expandPath(exchange.query("path") ?? part.name, home));
    if (written.has(at.path)) throw new HttpError(400, `two files are for the path '${at.path}'`);
    written.add(at.path);
    await writeFile(at.host, new Uint8Array(await part.arrayBuffer()));
    files.push(uploaded(sandbox, at, metadataOf(exchange)));
  }
  return files;
}

async function upload(exchange: Exchange, sandbox: Sandbox, faults: Faults): Promise<void> {
  if (faults.settings.disk_full) {
    // Read to its end, for a client may write all of it before it looks for an answer.
    await exchange.bytes();
    throw new HttpError(507, "no space is left, by an injected fault");
  }
  const type = exchange.header("content-type") ?? "";
  if (/^application\/octet-stream\b/.test(type)) {
    exchange.json(200, await uploadRaw(exchange, sandbox));
  } else if (/^multipart\//.test(type)) {
    exchange.json(200, await uploadForm(exchange, sandbox, type));
  } else {
    throw new HttpError(400, `the content type ${type || "(none)"} is no upload's`);
  }
}

export async function answerFiles(
  exchange: Exchange,
  sandbox: Sandbox,
  faults: Faults,
): Promise<void> {
  assertFileAccess(exchange, sandbox);
  try {
    if (exchange.method === "GET") await read(exchange, sandbox);
    else await upload(exchange, sandbox, faults);
  } catch (error) {
    if (error instanceof PathError) throw new HttpError(STATUS_OF_KIND[error.kind], error.message);
    throw error;
  }
}
