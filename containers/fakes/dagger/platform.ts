import { arch } from "node:os";

const ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ["x64", "amd64"],
  ["arm64", "arm64"],
]);

/** The platform that commands run on, in the engine's words. */
export function defaultPlatform(): string {
  const architecture = arch();
  return `linux/${ARCHITECTURES.get(architecture) ?? architecture}`;
}
