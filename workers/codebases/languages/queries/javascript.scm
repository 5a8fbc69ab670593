; What JavaScript and TypeScript have in common. The first pattern that names a place decides.

(function_declaration name: (identifier) @name) @definition.function
(generator_function_declaration name: (identifier) @name) @definition.function

(class_body (method_definition name: (property_identifier) @name (#eq? @name "constructor")) @definition.constructor)
(class_body (method_definition name: [(property_identifier) (private_property_identifier)] @name) @definition.method)
(object (method_definition name: (property_identifier) @name) @definition.method)

; A function by a name of its own, however it is written.
(variable_declarator
  name: (identifier) @name
  value: [
    (arrow_function body: (_) @body)
    (function_expression body: (_) @body)
    (generator_function body: (_) @body)
  ]) @definition.function
(assignment_expression
  left: [(identifier) @name (member_expression property: (property_identifier) @name)]
  right: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @definition.function
(pair
  key: (property_identifier) @name
  value: [(arrow_function body: (_) @body) (function_expression body: (_) @body)]) @definition.method

(program (lexical_declaration "const" (variable_declarator name: (identifier) @name)) @definition.constant)
(program (export_statement (lexical_declaration "const" (variable_declarator name: (identifier) @name)) @definition.constant))
(program (lexical_declaration "let" (variable_declarator name: (identifier) @name)) @definition.variable)
(program (export_statement (lexical_declaration "let" (variable_declarator name: (identifier) @name)) @definition.variable))
(program (variable_declaration (variable_declarator name: (identifier) @name)) @definition.variable)

(export_statement) @export
(export_statement !source (export_clause (export_specifier name: (identifier) @export.name)))
(export_statement value: (identifier) @export.name)

; CommonJS.
(assignment_expression
  left: (member_expression object: [(identifier) (member_expression)] @_exports)
  right: [(function_expression) (arrow_function)]
  (#any-of? @_exports "exports" "module.exports")) @export
(assignment_expression
  left: (member_expression object: [(identifier) (member_expression)] @_exports)
  right: (identifier) @export.name
  (#any-of? @_exports "exports" "module.exports"))
(assignment_expression
  left: (member_expression) @_exports
  right: [(identifier) @export.name (object (shorthand_property_identifier) @export.name)]
  (#eq? @_exports "module.exports"))

(call_expression function: (identifier) @reference.call)
(call_expression function: (member_expression property: [(property_identifier) (private_property_identifier)] @reference.call))
(new_expression constructor: (identifier) @reference.call)
(new_expression constructor: (member_expression property: (property_identifier) @reference.call))
(decorator (identifier) @reference.call)

; A function that is handed over is called by whoever gets it.
(arguments (identifier) @reference.use)
(shorthand_property_identifier) @reference.use
(pair value: (identifier) @reference.use)
(array (identifier) @reference.use)
(member_expression object: (identifier) @reference.use)
(variable_declarator value: (identifier) @reference.use)
(assignment_expression right: (identifier) @reference.use)
(return_statement (identifier) @reference.use)
(binary_expression (identifier) @reference.use)
(spread_element (identifier) @reference.use)
(template_substitution (identifier) @reference.use)
(arrow_function body: (identifier) @reference.use)

(import_statement source: (string) @import.module) @import
(import_statement
  (import_clause (identifier) @import.default)
  source: (string) @import.module) @import
(import_statement
  (import_clause (namespace_import (identifier) @import.namespace))
  source: (string) @import.module) @import
(import_statement
  (import_clause (named_imports (import_specifier name: (_) @import.name alias: (identifier)? @import.alias)))
  source: (string) @import.module) @import
(export_statement source: (string) @import.module !declaration) @import
(export_statement
  (export_clause (export_specifier name: (_) @import.name alias: (_)? @import.alias))
  source: (string) @import.module) @import
(export_statement "*" @import.namespace source: (string) @import.module) @import

(call_expression
  function: [(identifier) @_require (import)]
  arguments: (arguments . (string) @import.module .)
  (#eq? @_require "require")) @import
(call_expression
  function: (import)
  arguments: (arguments . (string) @import.module .)) @import
(variable_declarator
  name: (identifier) @import.namespace
  value: (call_expression
    function: (identifier) @_require
    arguments: (arguments . (string) @import.module .))
  (#eq? @_require "require")) @import
(variable_declarator
  name: (object_pattern (shorthand_property_identifier_pattern) @import.name)
  value: (call_expression
    function: (identifier) @_require
    arguments: (arguments . (string) @import.module .))
  (#eq? @_require "require")) @import
