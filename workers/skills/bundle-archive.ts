/** Bundles as archives: one folder, named like the skill, in a zip or a tar.gz. */
import { gzipSync, type Zippable, zipSync } from "fflate";
import { packTar } from "modern-tar";
import { type ArchiveSource, readArchive, sniffFormat } from "../codebases/intake/archive.ts";
import { IntakeError } from "../codebases/intake/errors.ts";
import { ApiError } from "../http/errors.ts";
import { type BundledSkill, type BundleFile, readBundle } from "./bundle.ts";
import { MAX_BUNDLE_BYTES, MAX_BUNDLE_FILES, SIDE_FILE } from "./files.ts";

export const BUNDLE_FORMATS = ["zip", "tar.gz"] as const;
export type BundleFormat = (typeof BUNDLE_FORMATS)[number];

export const MAX_ARCHIVE_BYTES = MAX_BUNDLE_BYTES;
/** What a tar holds beside contents, and so counts as unpacked. */
const OVERHEAD_BYTES = 2 * 1024 * 1024;
const LIMITS = {
  maxArchiveBytes: MAX_ARCHIVE_BYTES,
  maxUnpackedBytes: MAX_BUNDLE_BYTES + OVERHEAD_BYTES,
  maxIndexedBytes: MAX_BUNDLE_BYTES,
  // So little is allowed that it may be anything.
  maxRatio: Number.POSITIVE_INFINITY,
  // Folders are entries too.
  maxEntries: 4 * MAX_BUNDLE_FILES,
  maxPathBytes: 2_048,
};
const FILE_MODE = 0o644;
const EXECUTABLE_MODE = 0o755;
const UNIX = 3;
const REGULAR_FILE = 0o100_000;
/** Times are none: a zip has none before 1980, and reads them where it is. */
const ZIP_TIME = new Date(1980, 0, 1);
const TAR_TIME = new Date(0);
/** What macOS adds beside the folder that was packed. */
const OF_MACOS = /^__MACOSX(?:\/|$)/;

const modeOf = ({ isExecutable }: BundleFile) => (isExecutable ? EXECUTABLE_MODE : FILE_MODE);

/** Equal files come to equal bytes. */
export async function packBundle(
  folder: string,
  files: readonly BundleFile[],
  format: BundleFormat,
): Promise<Uint8Array<ArrayBuffer>> {
  if (format === "zip") return packZip(folder, files);
  const tar = await packTar(
    files.map((file) => ({
      header: {
        ...{ name: `${folder}/${file.path}`, size: file.content.byteLength, type: "file" },
        ...{ mode: modeOf(file), mtime: TAR_TIME, uid: 0, gid: 0 },
      },
      body: file.content,
    })),
  );
  return gzipSync(tar, { mtime: 0 });
}

function packZip(folder: string, files: readonly BundleFile[]): Uint8Array<ArrayBuffer> {
  const entries: Zippable = {};
  for (const file of files) {
    const attrs = ((REGULAR_FILE | modeOf(file)) << 16) >>> 0;
    entries[`${folder}/${file.path}`] = [file.content, { mtime: ZIP_TIME, os: UNIX, attrs }];
  }
  return zipSync(entries);
}

/** Reads the skill in an archive. Throws `validation_failed`, with a `reason`. */
export async function unpackBundle(bytes: Uint8Array): Promise<BundledSkill> {
  const byFolder = new Map<string, BundleFile[]>();
  try {
    const files = readArchive(sourceOf(bytes), { limits: LIMITS, strip: 0 });
    for await (const { path, mode, content, skipped, size } of files) {
      if (OF_MACOS.test(path)) continue;
      if (skipped === "too_large") throw tooLarge(size);
      if (content === null || (mode !== "file" && mode !== "executable")) throw noLinks(path);
      const [folder = "", ...rest] = path.split("/");
      if (rest.length === 0) throw besideFolder(path);
      const file = { path: rest.join("/"), content, isExecutable: mode === "executable" };
      byFolder.set(folder, [...(byFolder.get(folder) ?? []), file]);
    }
  } catch (error) {
    throw asApiError(error);
  }
  const [only, ...others] = byFolder;
  if (only === undefined) throw refused("bundle_empty", "", "The archive holds no file.");
  if (others.length > 0) {
    const folders = [...byFolder.keys()].slice(0, 5).join(", ");
    const message = `The archive holds several folders (${folders}). Import one skill at a time.`;
    throw refused("several_folders", "", message);
  }
  const [folder, files] = only;
  checkSize(files);
  return readBundle(folder, files);
}

function sourceOf(bytes: Uint8Array): ArchiveSource {
  const format = sniffFormat(bytes.subarray(0, 512));
  if (format === "zip") {
    const read = async (offset: number, length: number) => bytes.subarray(offset, offset + length);
    return { format, file: { size: bytes.byteLength, read } };
  }
  const stream = (async function* () {
    yield bytes;
  })();
  return { format, stream };
}

/** What is ours in a bundle makes none that was allowed too large. */
function checkSize(all: readonly BundleFile[]): void {
  const files = all.filter(({ path }) => path !== SIDE_FILE);
  if (files.length > MAX_BUNDLE_FILES) {
    const message = `The bundle holds ${files.length} files, and a skill has at most ${MAX_BUNDLE_FILES}.`;
    throw refused("too_many_files", "", message);
  }
  const bytes = files.reduce((sum, { content }) => sum + content.byteLength, 0);
  if (bytes > MAX_BUNDLE_BYTES) throw tooLarge(bytes);
}

function tooLarge(bytes: number): ApiError {
  const message = `The bundle unpacks to ${bytes} bytes, and a skill has at most ${MAX_BUNDLE_BYTES}.`;
  return refused("unpacked_too_large", "", message);
}

function noLinks(path: string): ApiError {
  return refused("link", path, "It is a link. Send the file itself.");
}

function besideFolder(path: string): ApiError {
  return refused(
    "no_folder",
    path,
    "It lies in no folder. Pack the skill's folder itself, which is named like the skill.",
  );
}

function asApiError(error: unknown): unknown {
  if (!(error instanceof IntakeError)) return error;
  return refused(error.code, error.path ?? "", error.message, error);
}

/** `reason` tells apart what an archive is refused for. */
function refused(reason: string, path: string, message: string, cause?: unknown): ApiError {
  return new ApiError("validation_failed", message, {
    issues: [{ path, message }],
    members: { reason },
    ...(cause !== undefined && { cause }),
  });
}
