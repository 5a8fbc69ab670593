/** What a thrown value says, for messages that tell more than it does. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
