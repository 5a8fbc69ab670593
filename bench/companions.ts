/** The Workers that the service is compared with, each in the same runtime on a port of its own. */
import { build } from "esbuild";
import type { Companion } from "../scripts/lib/host-protocol.ts";
import { rootPath } from "../scripts/lib/paths.ts";
import { freePort } from "../scripts/lib/probe.ts";

async function bundle(entry: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [rootPath(entry)],
    bundle: true,
    // The runtime provides these.
    external: ["cloudflare:*"],
    format: "esm",
    target: "es2022",
    minify: true,
    keepNames: true,
    write: false,
  });
  return outputFiles[0]?.text ?? "";
}

/** A Hono route that does nothing. */
export async function bareCompanion(): Promise<Companion> {
  return { name: "bare", script: await bundle("bench/bare.ts"), port: await freePort() };
}

/** A Cloudflare Workflow of steps that compute; see `bench/workflows.ts`. */
export async function workflowsCompanion(): Promise<Companion> {
  return {
    name: "workflows",
    script: await bundle("bench/workflows.ts"),
    port: await freePort(),
    workflow: { binding: "FIBS", class_name: "Fibs" },
  };
}

/** A queue whose messages are received and nothing else; see `bench/queue.ts`. */
export async function queueCompanion(): Promise<Companion> {
  return {
    name: "queue",
    script: await bundle("bench/queue.ts"),
    port: await freePort(),
    queue: { binding: "BARE" },
  };
}

export const companionUrl = ({ port }: Companion): string => `http://127.0.0.1:${port}`;
