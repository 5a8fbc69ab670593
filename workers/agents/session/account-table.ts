/** The newest account of each sub-agent below a session, however far below. */
import type { Account, WantedHold } from "../accounts.ts";

interface AccountRecord extends Record<string, SqlStorageValue> {
  account: string;
}

export class AccountTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  get(agentId: string): Account | null {
    const [row] = this.#sql
      .exec<AccountRecord>("SELECT account FROM accounts WHERE agent_id = ?", agentId)
      .toArray();
    return row === undefined ? null : JSON.parse(row.account);
  }

  /** `isRefused` when what it wants held is not, for which it is told of room. */
  keep(account: Account, isRefused: boolean): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO accounts (agent_id, account, is_refused) VALUES (?, ?, ?)",
      account.agent_id,
      JSON.stringify(account),
      isRefused ? 1 : 0,
    );
  }

  /** Those that wait for room. */
  refused(): Refused[] {
    return this.#sql
      .exec<AccountRecord>("SELECT account FROM accounts WHERE is_refused = 1 ORDER BY agent_id")
      .toArray()
      .flatMap(({ account }) => {
        const { agent_id, number, hold }: Account = JSON.parse(account);
        return hold === null ? [] : [{ agent_id, number, hold }];
      });
  }

  /** It was told of room: what it wants now, it will say. */
  told(agentId: string): void {
    this.#sql.exec("UPDATE accounts SET is_refused = 0 WHERE agent_id = ?", agentId);
  }
}

export interface Refused {
  readonly agent_id: string;
  readonly number: number;
  readonly hold: WantedHold;
}
