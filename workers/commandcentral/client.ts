/** The calls of CommandCentral's API that this service makes while somebody waits. */
import { z } from "zod";
import type { Config } from "../config.ts";
import { Neighbour } from "../delivery/neighbour.ts";
import { type RequestTrace, traceHeaders } from "../http/trace.ts";
import { type Found, Lookups } from "./lookups.ts";
import { isMember, type Project, projectSchema } from "./projects.ts";

/** The longest that a caller waits for what it says. */
const TIMEOUT_MS = 2_000;
/** The most that it lists at once. */
const PAGE = 100;
const MAX_PAGES = 20;

export const COMMANDCENTRAL = "CommandCentral";

/** With what a call is made: a token of CommandCentral's, and the request that it belongs to. */
export interface Asker {
  /** Null when there is none, so that nothing can be asked. */
  readonly token: string | null;
  readonly trace: RequestTrace | null;
}

export class ProjectDirectory {
  readonly #neighbour: Neighbour;
  readonly #projects = new Lookups<Project>();
  readonly #memberships = new Lookups<readonly string[]>();

  constructor({ COMMANDCENTRAL_URL: url }: Pick<Config, "COMMANDCENTRAL_URL">) {
    this.#neighbour = new Neighbour({ url, name: COMMANDCENTRAL, timeout_ms: TIMEOUT_MS });
  }

  /** A project, whoever asks: CommandCentral shows each to every user. */
  project(id: string, asker: Asker): Promise<Found<Project>> {
    return this.#projects.get(id, Date.now(), async () => {
      const path = `/api/v1/projects/${encodeURIComponent(id)}`;
      const { status, body } = await this.#call(path, asker, AbortSignal.timeout(TIMEOUT_MS));
      return status === 404 ? null : (readProjects([body])[0] ?? null);
    });
  }

  /** Ids of the projects that the user of the token owns, or is of the team of. */
  memberships(userId: string, asker: Asker): Promise<Found<readonly string[]>> {
    return this.#memberships.get(userId, Date.now(), async () => {
      const ids: string[] = [];
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      for (let page = 0; page < MAX_PAGES; page += 1) {
        const path = `/api/v1/projects/?limit=${PAGE}&offset=${page * PAGE}`;
        const { body } = await this.#call(path, asker, signal);
        const projects = readProjects(body);
        ids.push(...projects.filter((one) => isMember(one, userId)).map(({ id }) => id));
        if (projects.length < PAGE) break;
      }
      return ids;
    });
  }

  #call(path: string, { token, trace }: Asker, signal: AbortSignal) {
    if (token === null) throw new Error("COMMANDCENTRAL_TOKEN is not set.");
    const headers = { Authorization: `Bearer ${token}`, ...(trace && traceHeaders(trace)) };
    return this.#neighbour.call({ method: "GET", path, headers, signal });
  }
}

function readProjects(body: unknown): readonly Project[] {
  const read = z.array(projectSchema).safeParse(body);
  if (read.success) return read.data;
  throw new Error(`${COMMANDCENTRAL} answered with other projects than it documents.`);
}
