/** Hands the values of secrets to the executors, and to nothing else. */
import type { Config } from "../config.ts";
import type { SecretResolver } from "../executors/port.ts";
import { secretCipher } from "../security/crypto.ts";
import { SecretRepository } from "./repository.ts";

/**
 * Resolves with one statement. Names that do not exist are left out; a secret that cannot be
 * decrypted throws `misconfigured`, naming the remedy.
 */
export function createSecretResolver(db: D1Database, config: Config): SecretResolver {
  const repository = new SecretRepository(db);
  return {
    async resolve(projectId, names) {
      if (names.length === 0) return new Map();
      const rows = await repository.sealedByName(projectId, names);
      if (rows.length === 0) return new Map();
      const cipher = await secretCipher(config);
      const entries = rows.map(async (row) => [row.name, await cipher.decrypt(row, row)] as const);
      return new Map(await Promise.all(entries));
    },
  };
}
