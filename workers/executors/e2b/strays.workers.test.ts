/** Sandboxes that nobody waits for. */
import { env } from "cloudflare:workers";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { offerUntilTaken, TestOwner } from "../backend-executor.ts";
import { leaseLabels, readLabels, sandboxLabels } from "./labels.ts";
import type { ListedSandbox, SandboxService } from "./sandbox.ts";
import { killStrays } from "./strays.ts";
import {
  attempt,
  backend,
  expectNothingLeft,
  installFake,
  sandboxesOf,
  service,
} from "./test-support.ts";

beforeEach(installFake);
afterEach(() => vi.restoreAllMocks());

/** Lists in pages that are smaller than what there is. */
const paged = (pageSize: number): SandboxService => ({
  create: (sandbox) => service.create(sandbox),
  connect: (id, ttlMs) => service.connect(id, ttlMs),
  exists: (id) => service.exists(id),
  pause: (id) => service.pause(id),
  kill: (id) => service.kill(id),
  extend: (id, ttlMs) => service.extend(id, ttlMs),
  list: (labels) => service.list(labels, pageSize),
});

const asked = { template: "base", ttl_ms: 60_000, allow: [] };

it("kills sandboxes whose attempt is over, and no others", { timeout: 30_000 }, async () => {
  const wanted = attempt({ command: "sleep 30" });
  await offerUntilTaken(backend, wanted.dispatch);
  await expect.poll(() => sandboxesOf(wanted), { timeout: 15_000 }).toHaveLength(1);
  const over = attempt({ command: "true" });
  over.fence();
  const away = attempt({ command: "true" });
  away.isDown = true;
  const all = [wanted, over, away];
  for (const { dispatch } of [over, away]) {
    await service.create({ ...asked, labels: sandboxLabels(dispatch, "tests") });
  }
  const foreign = new TestOwner("e2b", wanted.request);
  await service.create({ ...asked, labels: sandboxLabels(foreign.dispatch, "elsewhere") });

  const killed: (string | undefined)[] = [];
  const leased = await service.create({ ...asked, labels: leaseLabels("r/1/none", "p", "tests") });
  const ports = {
    service: paged(2),
    lease: (key: string) => env.SANDBOX_LEASE.getByName(key),
    killed: async ({ labels }: ListedSandbox) => {
      killed.push(readLabels(labels)?.ref.resource_id);
    },
    deployment: "tests",
    owner: (_: unknown, id: string) => {
      const owner = all.find(({ dispatch }) => dispatch.resource_id === id);
      if (owner === undefined) throw new Error(`nobody owns ${id}`);
      return owner;
    },
  };
  expect(await killStrays(ports, Date.now())).toEqual({ looked_at: 0, killed: 0 });
  const claims = all.map((owner) => owner.claims);
  expect((await killStrays(ports, Date.now(), 0)).killed).toBe(2);
  expect(killed).toContain(over.dispatch.resource_id);
  expect(await service.exists(leased.id)).toBe(false);
  expect(all.map((owner) => owner.claims)).toEqual(claims);
  expect(await sandboxesOf(over)).toEqual([]);
  for (const owner of [wanted, away, foreign]) expect(await sandboxesOf(owner)).toHaveLength(1);

  for (const { id } of [...(await sandboxesOf(away)), ...(await sandboxesOf(foreign))]) {
    await service.kill(id);
  }
  await backend.stop(wanted.dispatch, "cancel");
  await expectNothingLeft(wanted);
});
