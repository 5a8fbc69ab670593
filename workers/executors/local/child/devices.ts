/** The virtual file system of one shell run, with the devices that `live-shell.ts` writes to. */
import { InMemoryFs } from "just-bash/browser";
import { STDERR_DEVICE, STDOUT_DEVICE, TICK_DEVICE } from "./live-shell.ts";

export interface DeviceHandlers {
  /** Receives output as it is written: text, or the bytes of a binary producer. */
  write(stream: "stdout" | "stderr", data: string | Uint8Array): void;
  /** Called for every statement; a promise holds the shell until it resolves. */
  tick(): Promise<void> | undefined;
}

type AppendArguments = Parameters<InMemoryFs["appendFile"]>;
type ReadArguments = Parameters<InMemoryFs["readFile"]>;

function isBinary(options: AppendArguments[2]): boolean {
  const encoding = typeof options === "string" ? options : options?.encoding;
  return encoding === "binary" || encoding === "latin1";
}

export class DeviceFs extends InMemoryFs {
  readonly #handlers: DeviceHandlers;

  /** `maxTotalBytes` bounds what the run's files may hold together. */
  constructor(handlers: DeviceHandlers, maxTotalBytes: number) {
    super(undefined, { maxTotalBytes });
    this.#handlers = handlers;
    for (const device of [STDOUT_DEVICE, STDERR_DEVICE, TICK_DEVICE])
      this.writeFileSync(device, "");
  }

  override async appendFile(...[path, content, options]: AppendArguments): Promise<void> {
    if (path !== STDOUT_DEVICE && path !== STDERR_DEVICE) {
      return super.appendFile(path, content, options);
    }
    // Opening a device appends nothing; that is when a statement starts.
    if (content.length === 0) {
      const turn = path === STDOUT_DEVICE ? this.#handlers.tick() : undefined;
      if (turn !== undefined) await turn;
      return;
    }
    const data =
      typeof content === "string" && isBinary(options) ? Buffer.from(content, "latin1") : content;
    this.#handlers.write(path === STDOUT_DEVICE ? "stdout" : "stderr", data);
  }

  override async readFile(...[path, options]: ReadArguments): Promise<string> {
    if (path !== TICK_DEVICE) return super.readFile(path, options);
    const turn = this.#handlers.tick();
    if (turn !== undefined) await turn;
    return "";
  }
}
