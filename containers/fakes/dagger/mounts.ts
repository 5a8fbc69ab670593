/** The calls that mount something in a container. */
import { join } from "node:path";
import { z } from "zod";
import { callArgument, optionalCallArgument } from "./arguments.ts";
import type { Call } from "./call.ts";
import type { Mount } from "./container.ts";
import { EngineError } from "./errors.ts";
import type { Snapshots } from "./snapshots.ts";
import { WRITES, type Writer } from "./writing.ts";

const mountOptions = z.object({
  readOnly: z.boolean().nullish(),
  owner: z.string().nullish(),
  mode: z.number().nullish(),
  size: z.number().nullish(),
  sharing: z.enum(["SHARED", "PRIVATE", "LOCKED"]).nullish(),
});

/** What a call mounts at a path. */
export async function newMount(
  path: string,
  call: Call,
  snapshots: Snapshots,
  writer: Writer,
): Promise<Mount> {
  const options = mountOptions.parse(call.arguments);
  const owner = options.owner ?? null;
  switch (call.field) {
    case "withMountedDirectory": {
      // Another owner makes another directory; an empty path names its root.
      const source = owner
        ? await snapshots.derive(call.cacheKey, null, async (root) =>
            WRITES.withDirectory?.(root, "", call, writer),
          )
        : await writer.directory(callArgument(call, "source"));
      return { kind: "directory", path, source, readOnly: options.readOnly ?? false };
    }
    case "withMountedFile": {
      const root = await snapshots.derive(call.cacheKey, null, async (draft) =>
        WRITES.withFile?.(draft, "file", call, writer),
      );
      return { kind: "file", path, source: join(root, "file"), readOnly: false };
    }
    case "withMountedCache": {
      const volume = callArgument(call, "cache").cacheKey;
      const initial = optionalCallArgument(call, "source");
      const source = initial && (await writer.directory(initial));
      return { kind: "cache", path, volume, source, sharing: options.sharing ?? "SHARED", owner };
    }
    case "withMountedTemp":
      return { kind: "temp", path, sizeBytes: options.size ?? null };
    case "withMountedSecret": {
      const secret = callArgument(call, "source");
      return { kind: "secret", path, secret, owner, mode: options.mode ?? 0o400 };
    }
    default:
      throw new EngineError(`Container.${call.field} is not served`);
  }
}
