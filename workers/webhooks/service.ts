/** Webhooks of a project: what they are sent, with which secret, and how it goes. */
import type { CourierStatus } from "../delivery/object.ts";
import type { Outbox } from "../delivery/outbox.ts";
import type { LoggedEntry } from "../delivery/tables.ts";
import type { LogEntry } from "../delivery/target.ts";
import type { Match } from "../http/conditional.ts";
import { ApiError, notFound } from "../http/errors.ts";
import { logWarning } from "../http/log.ts";
import type { Page } from "../http/page.ts";
import type { Rotation } from "../secrets/schemas.ts";
import type { SecretCipher } from "../security/crypto.ts";
import { callerOf, type Principal, projectFor, visibleProjects } from "../security/principal.ts";
import { testEvent, type WebhookEvent } from "./events.ts";
import { courierNameOf } from "./names.ts";
import type { StoredSecret, WebhookRepository, WebhookRow } from "./repository.ts";
import type { CreateWebhook, RotateWebhook, UpdateWebhook, WebhookAnswer } from "./schemas.ts";
import { identityOf, loggedOf, type Sender } from "./sender.ts";
import { newSecret } from "./signature.ts";

/** Each is woken whenever something happens, in whichever project. */
export const MAX_WEBHOOKS = 50;
const RESEALED_AT_ONCE = 100;

/** A courier as its stub is called. */
export interface WebhookCourier {
  status(): Promise<CourierStatus>;
  deliveries(before: number | null, limit: number): Promise<readonly LoggedEntry[]>;
  delivery(number: number): Promise<(LoggedEntry & { readonly body: string | null }) | null>;
  note(entry: LogEntry, body: string | null): Promise<number>;
  redrive(projects: "*", entities: readonly string[] | null): Promise<number>;
  reopen(from: number | null): Promise<void>;
  forget(): Promise<void>;
}

export interface WebhookDeps {
  readonly repository: WebhookRepository;
  readonly outbox: Pick<Outbox, "newest" | "passed" | "forgetCourier">;
  readonly courier: (name: string) => WebhookCourier;
  readonly sender: Pick<Sender, "send">;
  readonly cipher: () => Promise<SecretCipher>;
  readonly whyRefused: (url: string) => string | null;
}

/** A webhook with the secret that was made for it; null when it is not shown again. */
export interface Revealed {
  readonly row: WebhookRow;
  readonly secret: string | null;
}

export class WebhookService {
  readonly #deps: WebhookDeps;

  constructor(deps: WebhookDeps) {
    this.#deps = deps;
  }

  /**
   * Creates the webhook with the id `seed`; the same call again finds it. It is sent what happens
   * from now on. Throws `validation_failed` for an address that is refused, `conflict` for one too many.
   */
  async create(principal: Principal, input: CreateWebhook, seed: string): Promise<Revealed> {
    const { repository, outbox } = this.#deps;
    const project_id = projectFor(principal, input.project_id);
    this.#checkUrl(input.url);
    const { url, events, filter, description, enabled, secret = newSecret() } = input;
    const stored = await this.#seal({ id: seed, project_id }, 1, secret);
    const now = Date.now();
    const from_position = await outbox.newest();
    const row: WebhookRow = {
      ...{ id: seed, project_id, url, events, filter, description, enabled, from_position },
      ...{ disabled_reason: null, previous_secret: null, previous_until: null },
      ...{ secret: stored, secret_seed: seed, revision: 1 },
      ...{ created_by: callerOf(principal), created_at: now, updated_at: now },
    };
    // What it is to be sent is kept for it from here on, and swept when it is never stored.
    await outbox.passed(courierNameOf(seed), from_position, now);
    const found = await repository.insert(row, MAX_WEBHOOKS);
    if (found === null) {
      throw new ApiError(
        "conflict",
        `The project "${project_id}" has ${MAX_WEBHOOKS} webhooks, which is as many as there can be. Delete one, or let one tell more.`,
      );
    }
    const isNew = found.secret.nonce === stored.nonce;
    return { row: found, secret: isNew ? secret : null };
  }

  /** Returns up to `limit + 1` rows. */
  list(
    principal: Principal,
    {
      project_id,
      enabled,
    }: { readonly project_id?: string | undefined; readonly enabled?: boolean | undefined },
    page: Page,
  ): Promise<readonly WebhookRow[]> {
    const projects = visibleProjects(principal, project_id);
    return this.#deps.repository.list(projects, { enabled: enabled ?? null }, page);
  }

  async get(principal: Principal, id: string): Promise<WebhookRow> {
    const row = await this.#deps.repository.find(visibleProjects(principal), id);
    if (row === null) throw notFound("webhook", id);
    return row;
  }

  status({ id }: WebhookRow): Promise<CourierStatus> {
    return this.#courierOf(id).status();
  }

  /** Changes it from the next request on. Throws `precondition_failed` and `conflict`. */
  async update(
    principal: Principal,
    id: string,
    change: UpdateWebhook,
    match: Match | null,
  ): Promise<WebhookRow> {
    const row = await this.get(principal, id);
    match?.(row.revision);
    if (change.url !== undefined) this.#checkUrl(change.url);
    const { enabled = row.enabled } = change;
    const isBack = enabled && !row.enabled;
    const from_position = isBack ? await this.#deps.outbox.newest() : row.from_position;
    const next: WebhookRow = {
      ...row,
      ...{ url: change.url ?? row.url, events: change.events ?? row.events },
      ...{ filter: change.filter ?? row.filter },
      ...{ description: change.description ?? row.description, enabled, from_position },
      disabled_reason: change.enabled === undefined ? row.disabled_reason : null,
    };
    const stored = await this.#replace(next);
    if (enabled) await this.#courierOf(id).reopen(isBack ? from_position : null);
    return stored;
  }

  /** Gives it another secret; the same call again finds it. The one before signs a while longer. */
  async rotate(
    principal: Principal,
    id: string,
    { secret = newSecret(), overlap_seconds }: RotateWebhook,
    seed: string,
  ): Promise<Revealed> {
    const row = await this.get(principal, id);
    if (row.secret_seed === seed) return { row, secret: null };
    const stored = await this.#replace({
      ...row,
      secret: await this.#seal(row, row.secret.version + 1, secret),
      secret_seed: seed,
      previous_secret: overlap_seconds > 0 ? row.secret : null,
      previous_until: overlap_seconds > 0 ? Date.now() + overlap_seconds * 1000 : null,
    });
    return { row: stored, secret };
  }

  async remove(principal: Principal, id: string, match: Match | null): Promise<void> {
    const { revision } = await this.get(principal, id);
    match?.(revision);
    if (!(await this.#deps.repository.delete(id))) throw notFound("webhook", id);
    try {
      await this.forget(id);
    } catch (error) {
      // Its name is left among the couriers, by which the sweeper finds it.
      logWarning("webhook_not_forgotten", error, { webhook: id });
    }
  }

  /** Frees what a webhook leaves that is deleted. */
  async forget(id: string): Promise<void> {
    await this.#courierOf(id).forget();
    await this.#deps.outbox.forgetCourier(courierNameOf(id));
  }

  /** Of the log, before a number, newest first. */
  async deliveries(
    principal: Principal,
    id: string,
    before: number | null,
    limit: number,
  ): Promise<readonly LoggedEntry[]> {
    await this.get(principal, id);
    return this.#courierOf(id).deliveries(before, limit);
  }

  /** Sends an event of its own now, whatever is subscribed to, and to a disabled one too. */
  async test(principal: Principal, id: string, seed: string): Promise<WebhookAnswer> {
    const row = await this.get(principal, id);
    return this.#sendNow(row, id, testEvent(id, row.project_id, seed, Date.now()));
  }

  /** Sends what the log has under a number again, with the id that it had. */
  async redeliver(principal: Principal, id: string, number: number): Promise<WebhookAnswer> {
    const row = await this.get(principal, id);
    const logged = await this.#courierOf(id).delivery(number);
    if (logged === null) {
      throw new ApiError(
        "not_found",
        `The log of webhook "${id}" has no delivery ${number}. GET /api/v1/webhooks/${id}/deliveries lists those that it has.`,
      );
    }
    const { id: eventId, type, body, entity } = logged;
    if (body === null) {
      throw new ApiError(
        "conflict",
        "The event was too large to be kept, so that it cannot be sent again. Read its resource instead.",
      );
    }
    return this.#sendNow(row, entity, { id: eventId, type, body });
  }

  /** Tries parked resources again; all for null. Returns how many. */
  async redrive(principal: Principal, id: string, resources: readonly string[] | null) {
    await this.get(principal, id);
    return this.#courierOf(id).redrive("*", resources);
  }

  /** Seals what another master key has sealed with the first one. */
  async reseal(principal: Principal, cipher: SecretCipher): Promise<Rotation> {
    const { repository } = this.#deps;
    const projects = visibleProjects(principal);
    const keyId = cipher.primary_key_id;
    const rows = await repository.sealedByOtherKey(projects, keyId, RESEALED_AT_ONCE + 1);
    const unreadable: Rotation["unreadable"] = [];
    let rotated = 0;
    for (const row of rows.slice(0, RESEALED_AT_ONCE)) {
      try {
        const seal = async (stored: StoredSecret) => {
          const identity = identityOf(row, stored.version);
          const sealed = await cipher.encrypt(identity, await cipher.decrypt(identity, stored));
          return { ...sealed, version: stored.version };
        };
        const secret = await seal(row.secret);
        const previous_secret = row.previous_secret && (await seal(row.previous_secret));
        await this.#replace({ ...row, secret, previous_secret });
        rotated += 1;
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const { id, project_id } = row;
        if (error.code === "misconfigured") {
          unreadable.push({ id, project_id, name: courierNameOf(id) });
        }
      }
    }
    return { rotated, remaining: rows.length - rotated, unreadable };
  }

  #courierOf(id: string): WebhookCourier {
    return this.#deps.courier(courierNameOf(id));
  }

  #checkUrl(url: string): void {
    const message = this.#deps.whyRefused(url);
    if (message === null) return;
    throw new ApiError("validation_failed", message, { issues: [{ path: "url", message }] });
  }

  async #seal(
    of: Pick<WebhookRow, "id" | "project_id">,
    version: number,
    secret: string,
  ): Promise<StoredSecret> {
    const cipher = await this.#deps.cipher();
    return { ...(await cipher.encrypt(identityOf(of, version), secret)), version };
  }

  async #replace(row: WebhookRow): Promise<WebhookRow> {
    const next = { ...row, revision: row.revision + 1, updated_at: Date.now() };
    if (await this.#deps.repository.replace(next)) return next;
    throw new ApiError(
      "conflict",
      `The webhook "${row.id}" was changed or deleted by another call at the same moment. Read it again and repeat the change.`,
    );
  }

  async #sendNow(row: WebhookRow, entity: string, event: WebhookEvent): Promise<WebhookAnswer> {
    const sent = await this.#deps.sender.send(row, event, { "X-Correlation-ID": entity });
    const [entry, body] = loggedOf(entity, event, 1, sent);
    const number = await this.#courierOf(row.id).note(entry, body);
    const { id, entity: resource_id, ...logged } = entry;
    return { ...logged, number, event_id: id, resource_id, answer: sent.answer };
  }
}
