/**
 * The session's tables. Every method is synchronous: a caller groups them in one transaction. Rows
 * are written by these files alone, so what is read back is trusted to have the shape written.
 */
import { AccountTable } from "./account-table.ts";
import { CallTable } from "./call-table.ts";
import { DocumentTable } from "./documents.ts";
import { EventLog } from "./event-log.ts";
import { LedgerTable } from "./ledger-table.ts";
import { LongTexts } from "./long-texts.ts";
import { MessageTable } from "./message-table.ts";
import { SCHEMA, SCHEMA_VERSION, UPGRADES } from "./schema.ts";
import { TurnTable } from "./turn-table.ts";

export class SessionStore {
  readonly documents: DocumentTable;
  readonly log: EventLog;
  readonly messages: MessageTable;
  readonly turns: TurnTable;
  readonly calls: CallTable;
  readonly ledger: LedgerTable;
  readonly accounts: AccountTable;
  readonly #sql: SqlStorage;
  #isReady = false;

  constructor(sql: SqlStorage) {
    const texts = new LongTexts(sql);
    this.#sql = sql;
    this.documents = new DocumentTable(sql, texts);
    this.log = new EventLog(sql, texts);
    this.messages = new MessageTable(sql, texts);
    this.turns = new TurnTable(sql);
    this.calls = new CallTable(sql, texts);
    this.ledger = new LedgerTable(sql);
    this.accounts = new AccountTable(sql);
  }

  /** Says whether anything was ever stored here; an object that was only asked stays empty. */
  exists(): boolean {
    if (this.#isReady) return true;
    const tables = this.#sql.exec("SELECT name FROM sqlite_master WHERE name = 'meta'").toArray();
    if (tables.length === 0) return false;
    this.#upgrade();
    this.#isReady = true;
    return true;
  }

  /** To be called when all that is stored is about to be deleted. */
  forget(): void {
    this.#isReady = false;
  }

  create(): void {
    if (this.exists()) return;
    this.#sql.exec(SCHEMA);
    this.#sql.exec("INSERT INTO meta VALUES ('schema_version', ?)", String(SCHEMA_VERSION));
    this.#isReady = true;
  }

  #upgrade(): void {
    const [row] = this.#sql
      .exec<{ value: string }>("SELECT value FROM meta WHERE key = 'schema_version'")
      .toArray();
    const version = Number(row?.value ?? 1);
    if (version === SCHEMA_VERSION) return;
    for (const upgrade of UPGRADES.slice(version - 1)) this.#sql.exec(upgrade);
    this.#sql.exec(
      "UPDATE meta SET value = ? WHERE key = 'schema_version'",
      String(SCHEMA_VERSION),
    );
  }
}
