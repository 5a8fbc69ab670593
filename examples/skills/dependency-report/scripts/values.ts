/** Values of files that somebody else wrote: what is not as it should be is nothing. */

export type Table = Readonly<Record<string, unknown>>;

const isTable = (value: unknown): value is Table =>
  typeof value === "object" && value !== null && !Array.isArray(value);

export const tableOf = (value: unknown): Table => (isTable(value) ? value : {});
export const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null);
export const listOf = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [value];
export const textsOf = (value: unknown): string[] =>
  listOf(value).flatMap((each) => textOf(each) ?? []);
