import { describe, expect, it } from "vitest";
import { type ConfigurationFile, importResolver } from "./resolve.ts";

type Case = readonly [from: string, module: string, names: string, expected: string];

function check(
  language: string,
  paths: readonly string[],
  cases: readonly Case[],
  configurations: Readonly<Record<string, unknown>> = {},
) {
  const files = Object.entries(configurations).map(
    ([path, text]): ConfigurationFile => ({
      path,
      text: typeof text === "string" ? text : JSON.stringify(text),
    }),
  );
  const resolver = importResolver(paths, files);
  it.each(cases)("%s: %s {%s} is %s", (from, module, names, expected) => {
    const imported = {
      module,
      names: names === "" ? [] : names.split(",").map((name) => ({ name })),
    };
    const { path, isFolder, confidence } = resolver.resolve(language, from, imported);
    expect(`${path}${isFolder ? "/" : ""} ${confidence}`).toBe(expected);
  });
}

const NOWHERE = "null exact";
const MISSING = "null likely";

describe("TypeScript", () => {
  check(
    "typescript",
    [
      "src/app.ts",
      "src/app.test.ts",
      "src/lib/index.ts",
      "src/lib/read.tsx",
      "src/data.json",
      "packages/core/src/index.ts",
      "packages/core/src/deep/part.ts",
      "packages/web/src/main.ts",
      "packages/web/src/parts/menu.ts",
      "packages/web/src/internal/x.ts",
      "packages/tools/lib/index.js",
      "view/Panel.vue",
    ],
    [
      ["src/app.test.ts", "./app", "", "src/app.ts exact"],
      ["src/app.test.ts", "./app.js", "", "src/app.ts exact"],
      ["src/app.ts", "./lib", "", "src/lib/index.ts exact"],
      ["src/app.ts", "./lib/read.js", "", "src/lib/read.tsx exact"],
      ["src/lib/read.tsx", "..", "", MISSING],
      ["src/lib/read.tsx", "../data.json", "", "src/data.json exact"],
      ["src/app.ts", "../view/Panel.vue?raw", "", "view/Panel.vue exact"],
      ["src/app.ts", "../../outside", "", MISSING],
      ["src/app.ts", "node:fs", "", NOWHERE],
      ["src/app.ts", "react", "", NOWHERE],
      ["packages/web/src/main.ts", "@shop/core", "", "packages/core/src/index.ts likely"],
      [
        "packages/web/src/main.ts",
        "@shop/core/deep/part",
        "",
        "packages/core/src/deep/part.ts likely",
      ],
      ["packages/web/src/main.ts", "@shop/core/secret", "", MISSING],
      ["packages/web/src/main.ts", "tools", "", "packages/tools/lib/index.js exact"],
      ["packages/web/src/main.ts", "#internal/x", "", "packages/web/src/internal/x.ts exact"],
      ["packages/web/src/main.ts", "@parts/menu", "", "packages/web/src/parts/menu.ts exact"],
      ["packages/web/src/main.ts", "parts/menu", "", "packages/web/src/parts/menu.ts exact"],
      ["packages/core/src/index.ts", "@/deep/part", "", "packages/core/src/deep/part.ts likely"],
    ],
    {
      "packages/core/package.json": {
        name: "@shop/core",
        exports: {
          ".": { types: "./dist/index.d.ts", default: "./dist/index.js" },
          "./deep/*": "./dist/deep/*.js",
        },
      },
      "packages/tools/package.json": { name: "tools", main: "lib/index.js" },
      "packages/web/package.json": {
        name: "web",
        imports: { "#internal/*": "./src/internal/*.ts" },
      },
      "packages/web/tsconfig.json":
        '{ // of the web\n "extends": "../../tsconfig.base", "compilerOptions": { "baseUrl": "./src", "paths": { "@parts/*": ["parts/*"], }, }, }',
      "tsconfig.base.json": { compilerOptions: {} },
      "broken/tsconfig.json": "{ never",
    },
  );
});

describe("Python", () => {
  check(
    "python",
    [
      "src/shop/__init__.py",
      "src/shop/cart.py",
      "src/shop/models/__init__.py",
      "src/shop/models/item.py",
      "scripts/run.py",
      "scripts/helpers.py",
      "other/deep/tax/rates.py",
    ],
    [
      ["src/shop/cart.py", ".models", "item", "src/shop/models/item.py exact"],
      ["src/shop/cart.py", ".models", "Price", "src/shop/models/__init__.py exact"],
      ["src/shop/models/item.py", "..", "cart", "src/shop/cart.py exact"],
      ["src/shop/cart.py", ".gone", "x", MISSING],
      ["scripts/run.py", "shop.models.item", "", "src/shop/models/item.py exact"],
      ["scripts/run.py", "helpers", "", "scripts/helpers.py exact"],
      ["scripts/run.py", "tax.rates", "vat", "other/deep/tax/rates.py likely"],
      ["scripts/run.py", "os.path", "", NOWHERE],
      ["scripts/run.py", "json", "", NOWHERE],
    ],
  );
});

describe("Go", () => {
  check(
    "go",
    ["cmd/app/main.go", "internal/store/store.go", "tools/gen/gen.go"],
    [
      ["cmd/app/main.go", "example.com/app/internal/store", "", "internal/store/ exact"],
      ["cmd/app/main.go", "example.com/app/tools/gen", "", "tools/gen/ exact"],
      ["cmd/app/main.go", "example.com/app/gone", "", MISSING],
      ["cmd/app/main.go", "net/http", "", NOWHERE],
      ["cmd/app/main.go", "github.com/other/thing", "", NOWHERE],
    ],
    {
      "go.mod": "module example.com/app\n\ngo 1.24\n",
      "tools/go.mod": "module example.com/app/tools\n",
    },
  );
});

describe("Rust", () => {
  check(
    "rust",
    [
      "app/src/main.rs",
      "app/src/store.rs",
      "app/src/store/disk.rs",
      "app/src/net/mod.rs",
      "core-lib/src/lib.rs",
      "core-lib/src/text.rs",
    ],
    [
      ["app/src/main.rs", "store", "", "app/src/store.rs exact"],
      ["app/src/store.rs", "disk", "", "app/src/store/disk.rs exact"],
      ["app/src/net/mod.rs", "crate::store", "Store", "app/src/store.rs exact"],
      ["app/src/net/mod.rs", "crate::store::disk", "open", "app/src/store/disk.rs exact"],
      ["app/src/store/disk.rs", "super", "*", "app/src/store.rs exact"],
      ["app/src/store/disk.rs", "crate", "net", "app/src/net/mod.rs exact"],
      ["app/src/main.rs", "core_lib::text", "Text", "core-lib/src/text.rs exact"],
      ["app/src/main.rs", "core_lib", "run", "core-lib/src/lib.rs exact"],
      ["app/src/main.rs", "std::fmt", "Debug", NOWHERE],
    ],
    { "core-lib/Cargo.toml": '[package]\nedition = "2024"\nname = "core-lib"\n' },
  );
});

describe("languages with packages", () => {
  describe("Java and Kotlin", () => {
    check(
      "java",
      [
        "a/src/main/java/com/shop/Cart.java",
        "a/src/main/kotlin/com/shop/Item.kt",
        "b/com/shop/Cart.java",
      ],
      [
        [
          "a/src/main/java/com/shop/Main.java",
          "com.shop",
          "Item",
          "a/src/main/kotlin/com/shop/Item.kt exact",
        ],
        [
          "a/src/main/java/com/shop/Main.java",
          "com.shop",
          "Cart",
          "a/src/main/java/com/shop/Cart.java ambiguous",
        ],
        ["x/Main.java", "com.shop.Item", "PRICE", "a/src/main/kotlin/com/shop/Item.kt exact"],
        ["b/com/shop/Main.java", "com.shop", "*", "b/com/shop/ ambiguous"],
        ["x/Main.java", "java.util", "List", NOWHERE],
      ],
    );
  });
  describe("C#", () => {
    check(
      "csharp",
      ["src/Shop/Orders/Order.cs"],
      [
        ["src/Main.cs", "Shop.Orders", "", "src/Shop/Orders/ likely"],
        ["src/Main.cs", "System", "", NOWHERE],
      ],
    );
  });
  describe("PHP", () => {
    check(
      "php",
      [
        "app/Models/User.php",
        "lib/Legacy/Tools/Text.php",
        "public/helpers.php",
        "public/index.php",
      ],
      [
        ["public/index.php", "App\\Models", "User", "app/Models/User.php exact"],
        ["public/index.php", "Old\\Legacy\\Tools", "Text", "lib/Legacy/Tools/Text.php likely"],
        ["public/index.php", "/helpers.php", "", "public/helpers.php exact"],
        ["public/index.php", "Psr\\Log", "LoggerInterface", NOWHERE],
      ],
      { "composer.json": { autoload: { "psr-4": { "App\\": "app/" } } } },
    );
  });
});

describe("languages that name files", () => {
  describe("C", () => {
    check(
      "c",
      ["src/ring.c", "src/ring.h", "include/net/io.h", "a/deps/x/util.h", "b/deps/x/util.h"],
      [
        ["src/ring.c", "ring.h", "", "src/ring.h exact"],
        ["src/ring.c", "net/io.h", "", "include/net/io.h exact"],
        ["b/main.c", "x/util.h", "", "b/deps/x/util.h ambiguous"],
        ["src/ring.c", "stdio.h", "", NOWHERE],
      ],
    );
  });
  describe("Ruby", () => {
    check(
      "ruby",
      ["lib/shop/cart.rb", "lib/shop.rb"],
      [
        ["lib/shop.rb", "shop/cart", "", "lib/shop/cart.rb exact"],
        ["lib/shop.rb", "./shop/cart", "", "lib/shop/cart.rb exact"],
        ["bin/run", "shop", "", "lib/shop.rb exact"],
        ["bin/run", "json", "", NOWHERE],
      ],
    );
  });
  describe("Lua", () => {
    check(
      "lua",
      ["lua/plugin/init.lua", "lua/plugin/util.lua"],
      [
        ["lua/plugin/init.lua", "plugin.util", "", "lua/plugin/util.lua exact"],
        ["x.lua", "plugin", "", "lua/plugin/init.lua exact"],
      ],
    );
  });
  describe("Dart", () => {
    check(
      "dart",
      ["app/lib/main.dart", "app/lib/src/total.dart", "models/lib/models.dart"],
      [
        ["app/lib/main.dart", "src/total.dart", "", "app/lib/src/total.dart exact"],
        ["app/lib/main.dart", "package:models/models.dart", "", "models/lib/models.dart exact"],
        ["app/lib/main.dart", "package:http/http.dart", "", NOWHERE],
        ["app/lib/main.dart", "dart:async", "", NOWHERE],
      ],
      { "models/pubspec.yaml": "name: models\n" },
    );
  });
  describe("Bash", () => {
    check(
      "bash",
      ["deploy/run.sh", "deploy/lib/common.sh"],
      [
        ["deploy/run.sh", "./lib/common.sh", "", "deploy/lib/common.sh exact"],
        ["deploy/run.sh", '$(dirname "$0")/lib/common.sh', "", "deploy/lib/common.sh exact"],
        ["deploy/run.sh", "$HOME/.profile", "", NOWHERE],
        ["deploy/run.sh", "$FILE", "", NOWHERE],
      ],
    );
  });
  describe("CSS, Elixir, Zig", () => {
    check(
      "css",
      ["web/theme.css", "web/reset.css"],
      [
        ["web/theme.css", "reset.css?v=2", "", "web/reset.css exact"],
        ["web/theme.css", "https://example.com/a.css", "", NOWHERE],
      ],
    );
    check(
      "elixir",
      ["lib/bank/tax_rate.ex"],
      [
        ["lib/app.ex", "Bank.TaxRate", "", "lib/bank/tax_rate.ex likely"],
        ["lib/app.ex", "Bank", "TaxRate", "lib/bank/tax_rate.ex likely"],
      ],
    );
    check(
      "zig",
      ["src/main.zig", "src/list.zig"],
      [
        ["src/main.zig", "list.zig", "", "src/list.zig exact"],
        ["src/main.zig", "std", "", NOWHERE],
      ],
    );
  });
});

it("knows nothing of modules in a language without rules", () => {
  const { path } = importResolver(["a.json"]).resolve("json", "b.json", { module: "a", names: [] });
  expect(path).toBeNull();
});
