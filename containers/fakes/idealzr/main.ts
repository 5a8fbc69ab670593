/** The fake IDEALZR as a process: `node containers/fakes/idealzr/main.ts --port 8003`. */
import { runFake } from "../platform/main.ts";
import { startFakeIdealzr } from "./server.ts";

await runFake(({ port }) => startFakeIdealzr({ port }));
