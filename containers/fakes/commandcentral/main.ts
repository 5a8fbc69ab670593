/** The fake CommandCentral as a process: `node containers/fakes/commandcentral/main.ts --port 8000 --secret …`. */
import { runFake } from "../platform/main.ts";
import { startFakeCommandCentral } from "./server.ts";

await runFake(({ port, secret }) => startFakeCommandCentral({ port, secret }));
