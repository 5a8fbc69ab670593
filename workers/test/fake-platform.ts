/** Beside the `workers` lane: the fakes of CommandCentral, VISLZR and IDEALZR. */
import type { TestProject } from "vitest/node";
import { startFakeCommandCentral } from "../../containers/fakes/commandcentral/server.ts";
import { startFakeIdealzr } from "../../containers/fakes/idealzr/server.ts";
import { startFakeVislzr } from "../../containers/fakes/vislzr/server.ts";

declare module "vitest" {
  interface ProvidedContext {
    fakePlatform: {
      readonly commandcentral: string;
      readonly secret: string;
      readonly idealzr: string;
      readonly vislzr: string;
    };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const [commandcentral, idealzr, vislzr] = await Promise.all([
    startFakeCommandCentral(),
    startFakeIdealzr(),
    startFakeVislzr(),
  ]);
  project.provide("fakePlatform", {
    ...{ commandcentral: commandcentral.url, secret: commandcentral.secret },
    ...{ idealzr: idealzr.url, vislzr: vislzr.url },
  });
  return async () => {
    await Promise.all([commandcentral.stop(), idealzr.stop(), vislzr.stop()]);
  };
}
