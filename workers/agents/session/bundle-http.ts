/** Bundles between an object and its callers: streams, since they may be large. */
import { ApiError } from "../../http/errors.ts";
import { invalidBundle, parsed } from "./bundle.ts";
import { importSchema } from "./bundle-schema.ts";
import type { Session } from "./session.ts";

const MAX_BUNDLE_BYTES = 64 * 1024 * 1024;
const TYPE = "application/x-ndjson";

/** 409 and 404 have a `SessionRefusal` as JSON. */
export function giveBundle(session: Session, fork: number | null): Response {
  const bundle = session.exportBundle(fork);
  if ("refused" in bundle) {
    return Response.json(bundle, { status: bundle.refused === "not_found" ? 404 : 409 });
  }
  // Read at once, so that it is of one moment.
  const parts = [...bundle.lines].map((line) => `${line}\n`);
  return new Response(new Blob(parts), { headers: { "Content-Type": TYPE } });
}

/** 201 has a `SessionSnapshot`, 413 and 422 what is wrong: `detail` and `issues`. */
export async function takeBundle(session: Session, request: Request): Promise<Response> {
  try {
    const body = await request.arrayBuffer();
    if (body.byteLength > MAX_BUNDLE_BYTES) {
      throw new ApiError("payload_too_large", "The bundle has more than 64 MiB.");
    }
    const [first = "", ...lines] = new TextDecoder().decode(body).trimEnd().split("\n");
    const target = importSchema.safeParse(parsed(first));
    if (!target.success) throw invalidBundle(0, "It does not say who takes it in.");
    return Response.json(await session.importBundle(target.data, lines), { status: 201 });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { code, detail, issues, status } = error;
    return Response.json({ code, detail, issues }, { status });
  }
}
