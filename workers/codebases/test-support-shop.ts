/** A small codebase of several languages, whose parts refer to each other in the ways that languages have. */
import type { Files } from "./test-support.ts";

export const SHOP: Files = {
  "web/package.json": '{ "name": "@acme/web" }\n',
  "web/src/money.ts": `/** An amount of one currency. */
export interface Money {
  readonly cents: number;
}

/** Adds two amounts. */
export function addMoney(a: Money, b: Money): Money {
  return { cents: a.cents + b.cents };
}

function round(value: number): number {
  return Math.round(value);
}

export const half = (money: Money): Money => ({ cents: round(money.cents / 2) });
`,
  "web/src/index.ts": `export * from "./money.ts";
export { Cart as Basket } from "./cart.ts";
`,
  "web/src/cart.ts": `import { readFile } from "node:fs/promises";
import { addMoney as plus, type Money } from "./index.ts";

export interface Priced {
  price(): Money;
}

export class Cart implements Priced {
  readonly #items: Priced[] = [];

  price(): Money {
    return this.#items.reduce((sum, item) => plus(sum, item.price()), { cents: 0 });
  }

  async load(path: string): Promise<string> {
    return readFile(path, "utf8");
  }
}
`,
  "web/src/cart.test.ts": `import { Basket } from "./index.ts";
import { addMoney } from "@acme/web/src/money.ts";

new Basket().price();
addMoney({ cents: 1 }, { cents: 2 });
`,
  "jobs/__init__.py": "",
  "jobs/report.py": `from .store import load, Store as Shelf
import json


class Report(Shelf):
    """Says what was sold."""

    def render(self):
        return json.dumps(load(self.path))
`,
  "jobs/store.py": `class Store:
    def __init__(self, path):
        self.path = path


def load(path):
    """Reads what is stored."""
    return open(path).read()
`,
  "go.mod": "module acme.dev/shop\n",
  "ledger/ledger.go": `package ledger

// Entry is one line.
type Entry struct{ Cents int }

func Sum(entries []Entry) int {
	return total(entries)
}
`,
  "ledger/total.go": `package ledger

func total(entries []Entry) int {
	sum := 0
	for _, entry := range entries {
		sum += entry.Cents
	}
	return sum
}
`,
  "cmd/main.go": `package main

import "acme.dev/shop/ledger"

func main() {
	println(ledger.Sum(nil))
}
`,
  "README.md": "# Shop\n\naddMoney adds.\n",
};
