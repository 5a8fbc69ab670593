/** The wire form of codebases and their snapshots. */
import { z } from "@hono/zod-openapi";
import { pageQuery } from "../http/page.ts";
import {
  idSchema,
  listOf,
  orNull,
  projectIdSchema,
  timestamp,
  timestampOrNull,
  timestampSchema,
} from "../http/schemas.ts";
import { type IndexState, SNAPSHOT_STATES, type Snapshot, SOURCE_KINDS } from "./index/types.ts";
import { manifestSchema } from "./intake/manifest.ts";
import type { Strip } from "./intake/top-folder.ts";
import type { CodebaseRow } from "./repository.ts";

export const MAX_MISSING = 10_000;
const MAX_LABELS = 64;

const nameSchema = z
  .string()
  .regex(
    /^[\w][\w./@+-]{0,199}$/,
    "A name is 1 to 200 letters, digits, and . / @ + - _; it starts with a letter, a digit or _.",
  )
  .openapi({ example: "acme/shop" });
const refSchema = z
  .string()
  .min(1)
  .max(255)
  .regex(
    /\D|^\d{40}$/,
    "A ref is not of digits alone, which name a snapshot by its number. Name a tag of digits as refs/tags/….",
  );
const commitSchema = z
  .string()
  .regex(/^[0-9a-f]{40}$/, "A commit is 40 hexadecimal digits in lower case.");
/** Archives that no repository has the name of. */
const UNREADABLE = /\.(?:tbz2?|txz|tzst|7z|rar|bz2|xz|zst|tar\.(?:lz4?|lzma|z))$/i;
const urlSchema = z
  .url({
    protocol: /^https?$/,
    error: ({ code }) => (code === "invalid_format" ? "Send an http or https address." : undefined),
  })
  .max(2_000)
  .refine((address) => {
    const { username = "", password = "" } = URL.parse(address) ?? {};
    return username + password === "";
  }, "Credentials have no place in an address. Store them as a secret and name it by `secret`.")
  .refine(
    (address) => !UNREADABLE.test(URL.parse(address)?.pathname ?? ""),
    "Archives of this kind are not read. Give the address of a git repository, or of a .tar.gz, .tgz, .tar or .zip.",
  );
const secretSchema = z.string().min(1).max(64).openapi({
  description:
    "Names a secret of the project: `user:token`, or a token. It is sent to the address's own host alone.",
});
const labelsSchema = z
  .record(z.string().min(1).max(63), z.string().max(255))
  .refine((labels) => Object.keys(labels).length <= MAX_LABELS, `There are at most ${MAX_LABELS}.`);

export const sourceSchema = z.strictObject({
  url: urlSchema.openapi({
    description:
      "A git repository, by the address that `git clone` takes over http or https, or an archive (.tar.gz, .tgz, .tar, .zip).",
  }),
  ref: refSchema
    .nullish()
    .openapi({ description: "A branch, tag or commit; the default branch without." }),
  secret: secretSchema.nullish(),
});

export const createCodebaseSchema = z
  .strictObject({
    name: nameSchema,
    project_id: projectIdSchema.optional(),
    description: z.string().max(2_000).nullish(),
    labels: labelsSchema.default({}),
    source: sourceSchema.nullish().openapi({ description: "Imported at once when it is there." }),
  })
  .openapi("CreateCodebase");
export type CreateCodebase = z.output<typeof createCodebaseSchema>;

export const patchCodebaseSchema = z
  .strictObject({
    name: nameSchema.optional(),
    description: z.string().max(2_000).nullish(),
    labels: labelsSchema.optional(),
    source: sourceSchema.nullish(),
  })
  .openapi("PatchCodebase");
export type PatchCodebase = z.output<typeof patchCodebaseSchema>;

const countsSchema = z.object({
  files: z.int(),
  bytes: z.int(),
  text_files: z.int(),
  binary_files: z.int(),
  too_large_files: z.int().openapi({ description: "Larger than 8 MiB: listed, not searched." }),
  secret_files: z.int().openapi({ description: "In which something looks like a credential." }),
  languages: z.array(z.object({ language: z.string(), files: z.int() })),
  parsable_files: z.int(),
  new_blobs: z.int().openapi({ description: "Contents that no snapshot before had." }),
});

export const snapshotSchema = z
  .object({
    number: z.int(),
    id: z.string(),
    state: z.enum(SNAPSHOT_STATES),
    ref: z.string().nullable(),
    commit: z.string().nullable(),
    source: z.object({ kind: z.enum(SOURCE_KINDS), url: z.string().nullable() }),
    root: z.string().nullable().openapi({ description: "OID of its top tree, as git has it." }),
    counts: countsSchema.nullable(),
    error: z
      .object({ code: z.string(), message: z.string(), path: z.string().nullable() })
      .nullable()
      .openapi({
        description: "Why it failed; before that, why the last try did, after which another comes.",
      }),
    symbols: z
      .object({ parsed: z.int(), of: z.int() })
      .openapi({ description: "Files whose symbols are known, of those with a grammar." }),
    received: z
      .object({ files: z.int(), missing: z.int() })
      .openapi({ description: "Files known so far, and contents that are still to come." }),
    created_at: timestampSchema,
    ready_at: timestampSchema.nullable(),
  })
  .openapi("Snapshot");
export type SnapshotDocument = z.output<typeof snapshotSchema>;
export const snapshotListSchema = listOf(snapshotSchema).openapi("SnapshotList");

const stored = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.custom<Snapshot>((value) => typeof value === "object" && value !== null));

export const codebaseSchema = z
  .object({
    id: z.string(),
    project_id: z.string(),
    name: z.string(),
    description: z.string().nullable(),
    labels: z.record(z.string(), z.string()),
    source: z
      .object({ url: z.string(), ref: z.string().nullable(), secret: z.string().nullable() })
      .nullable(),
    snapshots: z.int().openapi({ description: "How many there are." }),
    latest: orNull(snapshotSchema).openapi({ description: "The newest that is ready." }),
    index: z
      .object({ bytes: z.int(), contents: z.int() })
      .nullable()
      .openapi({ description: "What it takes to keep; null in lists." }),
    created_by: z.string(),
    created_at: timestampSchema,
    updated_at: timestampSchema,
  })
  .openapi("Codebase");
export type CodebaseDocument = z.output<typeof codebaseSchema>;
export const codebaseListSchema = listOf(codebaseSchema).openapi("CodebaseList");

export const codebaseQuery = z.strictObject({
  ...pageQuery,
  project_id: projectIdSchema.optional(),
  name: z.string().max(200).optional(),
});

export const codebaseParams = z.object({ codebase_id: idSchema });
export const snapshotParams = z.object({ codebase_id: idSchema, snapshot: z.string().max(255) });

export const manifestBody = z
  .strictObject({
    files: manifestSchema().openapi({
      description:
        'Each file as [path, oid, size] or [path, oid, size, "executable" | "symlink"]; the OID is what `git hash-object` prints.',
      type: "array",
    }),
    ref: refSchema.nullish(),
    commit: commitSchema.nullish(),
  })
  .openapi("PushManifest");
export type ManifestBody = z.output<typeof manifestBody>;

export const missingSchema = z
  .array(z.object({ oid: z.string(), size: z.int(), path: z.string() }))
  .openapi({
    description: `Contents to send, ${MAX_MISSING} at most; ask for the rest after them.`,
  });

export const pushedSchema = z
  .object({ snapshot: snapshotSchema, missing: missingSchema })
  .openapi("PushedManifest");

export const takenSchema = z
  .object({
    snapshot: snapshotSchema,
    taken: z.int().openapi({ description: "Contents that were wanted and are stored now." }),
    missing: missingSchema,
  })
  .openapi("TakenBlobs");

const stripSchema = z
  .string()
  .regex(/^(?:auto|[0-8])$/, "Send a number from 0 to 8, or auto.")
  .transform((strip): Strip => (strip === "auto" ? strip : Number(strip)))
  .default(0)
  .openapi({
    type: "string",
    pattern: "^(?:auto|[0-8])$",
    default: "0",
    description:
      "How many top folders to take off all paths. `auto` takes off the one that a forge puts around the files, where an archive of git has all its files in one.",
  });

export const archiveQuery = z.strictObject({
  ref: refSchema.optional(),
  commit: commitSchema.optional(),
  strip: stripSchema,
});

export const importBody = z
  .strictObject({
    url: urlSchema.optional(),
    ref: refSchema.nullish(),
    secret: secretSchema.nullish(),
  })
  .openapi("ImportCodebase");

export function toSnapshot(snapshot: Snapshot): SnapshotDocument {
  const { created_at, ready_at, counts, source, error, ...rest } = snapshot;
  return {
    ...rest,
    source: { kind: source.kind, url: source.url },
    error: error === null ? null : { ...error },
    counts:
      counts === null
        ? null
        : { ...counts, languages: counts.languages.map((each) => ({ ...each })) },
    created_at: timestamp(created_at),
    ready_at: timestampOrNull(ready_at),
  };
}

/** `live` is what the object says now; without it, what it said last. */
export function toCodebase(row: CodebaseRow, live?: IndexState): CodebaseDocument {
  const told = row.latest === null ? null : stored.parse(row.latest);
  const known = live === undefined ? told : live.latest;
  const { id, project_id, name, description, labels, snapshots, created_by } = row;
  return {
    ...{ id, project_id, name, description, labels, created_by },
    snapshots: live?.snapshots ?? snapshots,
    source:
      row.source_url === null
        ? null
        : { url: row.source_url, ref: row.source_ref, secret: row.source_secret },
    latest: known === null ? null : toSnapshot(known),
    index: live === undefined ? null : { bytes: live.bytes, contents: live.contents },
    created_at: timestamp(row.created_at),
    updated_at: timestamp(row.updated_at),
  };
}
