/** Before the `e2e` lane: the service is built once, whichever of its files start it side by side. */
import { build } from "../../scripts/lib/build.ts";

export default async function setup(): Promise<void> {
  await build();
}
