/** Takes the nodes of what is deleted here from VISLZR, which takes their relationships with them. */
import type { Writer } from "./writer.ts";

const NODES_AT_ONCE = 100;

/** `isThorough` looks for nodes that are not known, too: some of what was sent was not answered. */
export async function removeAll(writer: Writer, isThorough: boolean): Promise<void> {
  const { client, ledger } = writer;
  for (const [key, ids] of ledger.owned()) {
    for (let at = 0; at < ids.length; at += NODES_AT_ONCE) {
      writer.goOn();
      await writer.removeAll(ids.slice(at, at + NODES_AT_ONCE));
    }
    ledger.forget(key);
  }
  if (!isThorough) return;
  const { entity } = ledger;
  const left = await client.nodes(
    ({ external_id }) => external_id === entity || external_id?.startsWith(`${entity}:`) === true,
  );
  for (let at = 0; at < left.length; at += NODES_AT_ONCE) {
    writer.goOn();
    await writer.removeAll(left.slice(at, at + NODES_AT_ONCE).map(({ id }) => id));
  }
}
