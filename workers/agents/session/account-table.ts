/** The newest account of each sub-agent below a session, however far below. */
import type { Account, WaitingStep } from "../accounts.ts";

interface AccountRecord extends Record<string, SqlStorageValue> {
  account: string;
}

/** A sub-agent that waits for room in the pool of the session. */
export interface Waiter {
  readonly agent_id: string;
  /** Of its account. */
  readonly number: number;
  readonly step: WaitingStep;
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

  /** `isWaiting` for room here. */
  keep(account: Account, isWaiting: boolean): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO accounts (agent_id, account, is_waiting) VALUES (?, ?, ?)",
      account.agent_id,
      JSON.stringify(account),
      isWaiting ? 1 : 0,
    );
  }

  /** Those that have not been told of room yet. */
  waiters(): Waiter[] {
    return this.#sql
      .exec<AccountRecord>("SELECT account FROM accounts WHERE is_waiting = 1 ORDER BY agent_id")
      .toArray()
      .flatMap(({ account }) => {
        const { agent_id, number, waiting: step }: Account = JSON.parse(account);
        return step === null ? [] : [{ agent_id, number, step }];
      });
  }

  /** It was told of room: what it waits for now, it will say. */
  told(agentId: string): void {
    this.#sql.exec("UPDATE accounts SET is_waiting = 0 WHERE agent_id = ?", agentId);
  }
}
