/** The virtual file system of one shell run, with the devices that `live-shell.ts` writes to. */
import { posix } from "node:path";
import { InMemoryFs } from "just-bash/browser";
import { isInTree } from "../../tree-archive.ts";
import { STDERR_DEVICE, STDOUT_DEVICE, TICK_DEVICE } from "./live-shell.ts";
import { readOnlyError } from "./read-only.ts";

export interface DeviceHandlers {
  /** Receives output as it is written: text, or the bytes of a binary producer. */
  write(stream: "stdout" | "stderr", data: string | Uint8Array): void;
  /** Called for every statement; a promise holds the shell until it resolves. */
  tick(): Promise<void> | undefined;
}

/** A method of the file system that changes something. */
type Changing =
  | "writeFile"
  | "mkdir"
  | "rm"
  | "cp"
  | "mv"
  | "chmod"
  | "symlink"
  | "link"
  | "utimes";
type Arguments<Name extends Changing> = Parameters<InMemoryFs[Name]>;

type AppendArguments = Parameters<InMemoryFs["appendFile"]>;
type ReadArguments = Parameters<InMemoryFs["readFile"]>;

function isBinary(options: AppendArguments[2]): boolean {
  const encoding = typeof options === "string" ? options : options?.encoding;
  return encoding === "binary" || encoding === "latin1";
}

export class DeviceFs extends InMemoryFs {
  readonly #handlers: DeviceHandlers;
  /** A folder in which nothing can be changed. */
  #fixed: { readonly path: string } | null = null;

  /** `maxTotalBytes` bounds what the run's files may hold together. */
  constructor(handlers: DeviceHandlers, maxTotalBytes: number) {
    super(undefined, { maxTotalBytes });
    this.#handlers = handlers;
    for (const device of [STDOUT_DEVICE, STDERR_DEVICE, TICK_DEVICE])
      this.writeFileSync(device, "");
  }

  /** Nothing in the folder can be changed from now on, nor the folder itself. */
  protect(path: string): void {
    this.#fixed = { path };
  }

  /** Throws a `readOnlyError` in the folder; `whole` is of what is taken away with all below it. */
  async #permit(path: string, whole = false): Promise<void> {
    if (this.#fixed === null) return;
    const folder = posix.dirname(path);
    const real = await this.realpath(folder).catch(() => folder);
    for (const place of [path, posix.join(real, posix.basename(path))]) {
      const isAround = whole && this.#fixed.path.startsWith(`${place}/`);
      if (isAround || isInTree(place, this.#fixed)) {
        throw readOnlyError();
      }
    }
  }

  /** What a path leads to, when that is another: writing to a link writes there. */
  async #permitBehind(path: string): Promise<void> {
    if (this.#fixed === null) return;
    await this.#permit(await this.realpath(path).catch(() => path));
    await this.#permit(path);
  }

  override async writeFile(...given: Arguments<"writeFile">): Promise<void> {
    await this.#permitBehind(given[0]);
    return super.writeFile(...given);
  }

  override async mkdir(...given: Arguments<"mkdir">): Promise<void> {
    if (!(await this.exists(given[0]))) await this.#permit(given[0]);
    return super.mkdir(...given);
  }

  override async rm(...given: Arguments<"rm">): Promise<void> {
    await this.#permit(given[0], true);
    return super.rm(...given);
  }

  override async cp(...given: Arguments<"cp">): Promise<void> {
    await this.#permitBehind(given[1]);
    return super.cp(...given);
  }

  override async mv(...given: Arguments<"mv">): Promise<void> {
    await this.#permit(given[0], true);
    await this.#permit(given[1]);
    return super.mv(...given);
  }

  override async chmod(...given: Arguments<"chmod">): Promise<void> {
    if (await this.exists(given[0])) await this.#permitBehind(given[0]);
    return super.chmod(...given);
  }

  override async symlink(...given: Arguments<"symlink">): Promise<void> {
    await this.#permit(given[1]);
    return super.symlink(...given);
  }

  override async link(...given: Arguments<"link">): Promise<void> {
    await this.#permit(given[1]);
    return super.link(...given);
  }

  override async utimes(...given: Arguments<"utimes">): Promise<void> {
    if (await this.exists(given[0])) await this.#permitBehind(given[0]);
    return super.utimes(...given);
  }

  override async appendFile(...[path, content, options]: AppendArguments): Promise<void> {
    if (path !== STDOUT_DEVICE && path !== STDERR_DEVICE) {
      await this.#permitBehind(path);
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
