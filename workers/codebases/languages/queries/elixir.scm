; Everything is a call: what it defines is told by its target.

(call
  target: (identifier) @_kind
  (arguments . (alias) @name)
  (do_block) @body
  (#eq? @_kind "defmodule")) @definition.module
(call
  target: (identifier) @_kind
  (arguments . (alias) @name)
  (do_block) @body
  (#eq? @_kind "defprotocol")) @definition.protocol
(call
  target: (identifier) @_kind
  (arguments . (alias) @name)
  (do_block) @body
  (#eq? @_kind "defimpl")) @definition.impl
(call
  target: (identifier) @_kind
  (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: (call target: (identifier) @name) operator: "when")
  ] (keywords)? @body)
  (do_block)? @body
  (#any-of? @_kind "def" "defp" "defdelegate" "defguard" "defguardp")) @definition.function
(call
  target: (identifier) @_kind
  (arguments . [
    (identifier) @name
    (call target: (identifier) @name)
    (binary_operator left: (call target: (identifier) @name) operator: "when")
  ] (keywords)? @body)
  (do_block)? @body
  (#any-of? @_kind "defmacro" "defmacrop")) @definition.macro
(unary_operator
  operator: "@"
  operand: (call
    target: (identifier) @name
    (arguments))
  (#not-any-of? @name "doc" "moduledoc" "typedoc" "spec" "impl" "behaviour" "type" "typep" "opaque" "callback" "derive" "deprecated" "since")) @definition.constant
(unary_operator
  operator: "@"
  operand: (call
    target: (identifier) @_kind
    (arguments (binary_operator left: [(call target: (identifier) @name) (identifier) @name])))
  (#any-of? @_kind "type" "typep" "opaque")) @definition.type
(call
  target: (identifier) @_kind
  (arguments . (string (quoted_content) @name))
  (do_block) @body
  (#eq? @_kind "test")) @definition.test

(unary_operator
  operator: "@"
  operand: (call target: (identifier) @_kind (arguments (alias) @reference.implementation))
  (#eq? @_kind "behaviour"))
(call
  target: (identifier) @_kind
  (arguments . (alias) @reference.implementation)
  (#eq? @_kind "use"))

(call
  target: (identifier) @_kind
  (arguments . (alias) @import.module)
  (#any-of? @_kind "alias" "import" "require" "use")) @import
(call
  target: (identifier) @_kind
  (arguments . (alias) @import.module (keywords (pair key: (keyword) @_as value: (alias) @import.namespace)))
  (#eq? @_kind "alias")
  (#eq? @_as "as: ")) @import
(call
  target: (identifier) @_kind
  (arguments . (dot left: (alias) @import.module right: (tuple (alias) @import.name)))
  (#eq? @_kind "alias")) @import

(call
  target: (identifier) @reference.call
  (#not-any-of? @reference.call "def" "defp" "defmodule" "defmacro" "defmacrop" "defprotocol" "defimpl" "defdelegate" "defguard" "defguardp" "defstruct" "alias" "import" "require" "use" "doc" "moduledoc" "typedoc" "spec" "impl" "behaviour" "type" "typep" "callback" "opaque" "quote" "unquote"))
(call target: (dot right: (identifier) @reference.call))
(alias) @reference.type
