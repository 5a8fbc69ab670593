/** The fake VISLZR as a process: `node containers/fakes/vislzr/main.ts --port 8002`. */
import { runFake } from "../platform/main.ts";
import { startFakeVislzr } from "./server.ts";

await runFake(({ port }) => startFakeVislzr({ port }));
