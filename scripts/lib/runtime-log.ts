/** What the runtime prints of its own accord, made fit for a terminal. */

/** `stack: /path/to/workerd@28a3c60 …`: addresses in its machine code, after a newline or a semicolon. */
const ADDRESSES = /(?:; ?|\n)stack:(?: \S+@[0-9a-f]+)+/g;

/** The message without addresses in the runtime's machine code, which tell an operator nothing. */
export function withoutAddresses(message: string): string {
  return message.replaceAll(ADDRESSES, "");
}
