/** Whether anything listens at an engine's address, which the CLI would try to reach for minutes. */
import { connect, type NetConnectOpts } from "node:net";

const REACH_MS = 3_000;

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket. Start the engine, and share the folder of its socket",
  EACCES: "the runner's user may not use that socket. Give it the group that owns the socket",
  ECONNREFUSED: "nothing listens there. Start the engine",
  ENOTFOUND: "no such host is known. Correct the address",
};

function target(address: string): NetConnectOpts | null {
  const path = /^unix:\/\/(.+)$/.exec(address)?.[1];
  if (path !== undefined) return { path };
  const [, host, port] = /^tcp:\/\/\[?([^/\]]+)\]?:(\d+)\/?$/.exec(address) ?? [];
  return host === undefined ? null : { host, port: Number(port) };
}

/** Says why the address cannot be reached; null when it can, or only the CLI knows how. */
export function unreachable(address: string): Promise<string | null> {
  const options = target(address);
  if (options === null) return Promise.resolve(null);
  return new Promise((resolve) => {
    const socket = connect(options);
    const end = (reason: string | null) => {
      socket.destroy();
      resolve(reason === null ? null : `No Dagger engine at ${address}: ${reason}.`);
    };
    socket.setTimeout(REACH_MS, () =>
      end("it does not answer. Check that the runner may reach it"),
    );
    socket.once("connect", () => end(null));
    socket.once("error", (error) => {
      const code = "code" in error ? String(error.code) : "";
      end(REASONS[code] ?? `${error.message}. Correct the address, or start the engine`);
    });
  });
}
