/** Files of tasks that a message is sent with: told to the model as text, when they are text. */
import { ApiError, type Issue } from "../http/errors.ts";
import { type Principal, requireScope } from "../security/principal.ts";

/** What is told of one file; the rest has to be read with a tool. */
const MAX_TOLD_BYTES = 64 * 1024;
const ID_CHARS = 36;
/** `TASK_ID/PATH`. */
export const ATTACHMENT = /^[0-9a-f-]{36}\/./;

/** A file that the newest run of a task kept. Throws `not_found`. */
export type OpenArtifact = (
  principal: Principal,
  taskId: string,
  path: string,
) => Promise<{ readonly size: number; arrayBuffer(): Promise<ArrayBuffer> }>;

/** What the model is told of each, in their order. Throws `forbidden`, and `validation_failed` with every one that is not there. */
export async function attachedTexts(
  principal: Principal,
  attachments: readonly string[],
  open: OpenArtifact,
): Promise<string[]> {
  if (attachments.length === 0) return [];
  requireScope(principal, "tasks:read");
  const issues: Issue[] = [];
  const texts: string[] = [];
  for (const [index, attachment] of attachments.entries()) {
    const path = attachment.slice(ID_CHARS + 1);
    try {
      const file = await open(principal, attachment.slice(0, ID_CHARS), path);
      texts.push(toldOf(path, file.size, new Uint8Array(await file.arrayBuffer())));
    } catch (error) {
      if (!(error instanceof ApiError) || error.status >= 500) throw error;
      issues.push({ path: `attachments[${index}]`, message: error.detail });
    }
  }
  if (issues.length === 0) return texts;
  throw new ApiError("validation_failed", "The message is attached what is not there.", { issues });
}

function toldOf(path: string, size: number, bytes: Uint8Array): string {
  const about = `Attached file ${path}, ${size} bytes`;
  const text = textIn(bytes.subarray(0, MAX_TOLD_BYTES), size > MAX_TOLD_BYTES);
  if (text === null) return `${about}, which is not text.`;
  const rest = size > MAX_TOLD_BYTES ? `, of which these are the first ${MAX_TOLD_BYTES}` : "";
  return `${about}${rest}:\n\n${text}`;
}

/** Null for what is no UTF-8 text; one that is cut may end in half a character. */
function textIn(bytes: Uint8Array, isCut: boolean): string | null {
  try {
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, {
      stream: isCut,
    });
    return text.includes("\0") ? null : text;
  } catch {
    return null;
  }
}
