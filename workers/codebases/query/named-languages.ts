/** Has a query name languages as they are stored. */
import type { Query } from "./query.ts";

/** The query with each language by the name that `nameOf` gives it. */
export function withLanguages(query: Query, nameOf: (language: string) => string): Query {
  switch (query.kind) {
    case "and":
    case "or":
      return { ...query, operands: query.operands.map((each) => withLanguages(each, nameOf)) };
    case "not":
      return { ...query, operand: withLanguages(query.operand, nameOf) };
    case "lang":
      return { ...query, language: nameOf(query.language) };
    default:
      return query;
  }
}
