/** Beside the `workers` lane: the fake model APIs. */
import type { TestProject } from "vitest/node";
import { startFakeModels } from "../../containers/fakes/models/server.ts";

declare module "vitest" {
  interface ProvidedContext {
    fakeModels: { readonly url: string; readonly api_key: string };
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const fake = await startFakeModels();
  project.provide("fakeModels", { url: fake.url, api_key: fake.apiKey });
  return () => fake.stop();
}
