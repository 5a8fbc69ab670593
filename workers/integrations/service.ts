/** How deliveries to the neighbours do, and what can be done about them. */
import type { Config } from "../config.ts";
import type { CourierStatus, Projects } from "../delivery/object.ts";
import type { LoggedEntry, ParkedRow } from "../delivery/tables.ts";
import { ApiError } from "../http/errors.ts";
import { type Principal, visibleProjects } from "../security/principal.ts";
import { NEIGHBOURS, type NeighbourName } from "./names.ts";

/** A courier as its stub is called. */
export interface CourierStub {
  status(): Promise<CourierStatus>;
  parked(projects: Projects, after: number, limit: number): Promise<readonly ParkedRow[]>;
  redrive(projects: Projects, entities: readonly string[] | null): Promise<number>;
  deliveries(before: number | null, limit: number): Promise<readonly LoggedEntry[]>;
  wake(): Promise<void>;
}

export interface Integration {
  readonly name: NeighbourName;
  readonly enabled: boolean;
  readonly url: string;
  /** Null for one that is not enabled. */
  readonly status: CourierStatus | null;
}

export interface IntegrationDeps {
  readonly config: Config;
  readonly courier: (name: string) => CourierStub;
}

export class IntegrationService {
  readonly #deps: IntegrationDeps;

  constructor(deps: IntegrationDeps) {
    this.#deps = deps;
  }

  list(): Promise<Integration[]> {
    return Promise.all(NEIGHBOURS.map((name) => this.get(name)));
  }

  /** Throws `not_found`. */
  async get(id: string): Promise<Integration> {
    const name = nameOf(id);
    const { url, enabled } = settingsOf(this.#deps.config, name);
    const status = enabled ? await this.#deps.courier(name).status() : null;
    return { name, enabled, url, status };
  }

  /** What of the caller's projects is not tried any more. */
  parked(
    principal: Principal,
    id: string,
    after: number,
    limit: number,
  ): Promise<readonly ParkedRow[]> {
    return this.#deps.courier(nameOf(id)).parked(visibleProjects(principal), after, limit);
  }

  /** Tries what was parked again; all of the caller's projects for null. */
  redrive(principal: Principal, id: string, entities: readonly string[] | null): Promise<number> {
    return this.#deps.courier(nameOf(id)).redrive(visibleProjects(principal), entities);
  }
}

function nameOf(id: string): NeighbourName {
  const name = NEIGHBOURS.find((known) => known === id);
  if (name !== undefined) return name;
  throw new ApiError(
    "not_found",
    `There is no integration "${id}". There are: ${NEIGHBOURS.join(", ")}.`,
  );
}

export function settingsOf(
  config: Config,
  name: NeighbourName,
): { readonly enabled: boolean; readonly url: string } {
  switch (name) {
    case "commandcentral":
      return { enabled: config.COMMANDCENTRAL_ENABLED, url: config.COMMANDCENTRAL_URL };
    case "vislzr":
      return { enabled: config.VISLZR_ENABLED, url: config.VISLZR_URL };
    case "idealzr":
      return { enabled: config.IDEALZR_ENABLED, url: config.IDEALZR_URL };
  }
}
