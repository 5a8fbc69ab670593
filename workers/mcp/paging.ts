/** Pages of lists, of the protocol's own and of those that tools answer with. */
import { ProtocolError, ProtocolErrorCode } from "@modelcontextprotocol/server";
import { z } from "zod";
import { type Page, readPage } from "../http/page.ts";
import type { Caller } from "./caller.ts";
import { asKnown } from "./results.ts";

const MAX_ITEMS = 100;
const DEFAULT_ITEMS = 50;

export const pageFields = {
  limit: z.int().min(1).max(MAX_ITEMS).default(DEFAULT_ITEMS),
  cursor: z.string().max(500).optional().describe("`next_cursor` of the page before."),
};

export interface PageInput {
  readonly limit: number;
  readonly cursor?: string | undefined;
}

/** Oldest first, so that what is new follows what was there. Throws `validation_failed`. */
export function pageOf({ limit, cursor }: PageInput, url: string): Page {
  return readPage({ limit, cursor, order: "asc" }, url);
}

/** Of a list of the protocol's own, whose errors are the protocol's too. */
export function cursorPage(caller: Caller, input: PageInput): Page {
  try {
    return pageOf(input, caller.url);
  } catch (error) {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, asKnown(error, caller).detail);
  }
}
