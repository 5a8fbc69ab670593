/** What both protocols call the same in a request. */
import { z } from "zod";
import type { Accepted } from "./protocol.ts";

export const acceptedSchema = z
  .looseObject({ model: z.string(), stream: z.boolean().default(false) })
  .transform((body): Accepted => ({ model: body.model, stream: body.stream, body }));
