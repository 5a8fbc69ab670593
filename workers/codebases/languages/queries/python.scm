(class_definition name: (identifier) @name) @definition.class
(class_definition body: (block (function_definition name: (identifier) @name (#eq? @name "__init__")) @definition.constructor))
(class_definition body: (block (function_definition name: (identifier) @name) @definition.method))
(class_definition body: (block (decorated_definition definition: (function_definition name: (identifier) @name) @definition.method)))
(function_definition name: (identifier) @name) @definition.function
(module (expression_statement (assignment left: (identifier) @name)) @definition.constant (#match? @name "^_*[A-Z][A-Z0-9_]*$"))
(module (expression_statement (assignment left: (identifier) @name)) @definition.variable)
(class_definition body: (block (expression_statement (assignment left: (identifier) @name)) @definition.field))
(type_alias_statement left: (type (identifier) @name)) @definition.type

(call function: (identifier) @reference.call)
(call function: (attribute attribute: (identifier) @reference.call))
(decorator (identifier) @reference.call)
(decorator (attribute attribute: (identifier) @reference.call))

(class_definition superclasses: (argument_list (identifier) @reference.implementation))
(class_definition superclasses: (argument_list (attribute attribute: (identifier) @reference.implementation)))
(class_definition superclasses: (argument_list (subscript value: (identifier) @reference.implementation)))

(type (identifier) @reference.type)
(type (attribute attribute: (identifier) @reference.type))
(type (generic_type (identifier) @reference.type))
(type (subscript value: (identifier) @reference.type))
(type (binary_operator (identifier) @reference.type))
(except_clause (identifier) @reference.type)
(except_clause (as_pattern (identifier) @reference.type))

(argument_list (identifier) @reference.use)
(keyword_argument value: (identifier) @reference.use)
(attribute object: (identifier) @reference.use)
(assignment right: (identifier) @reference.use)
(return_statement (identifier) @reference.use)
(raise_statement (identifier) @reference.use)

(import_statement name: (dotted_name) @import.module) @import
(import_statement
  name: (aliased_import name: (dotted_name) @import.module alias: (identifier) @import.namespace)) @import
(import_from_statement
  module_name: (_) @import.module
  name: (dotted_name) @import.name) @import
(import_from_statement
  module_name: (_) @import.module
  name: (aliased_import name: (dotted_name) @import.name alias: (identifier) @import.alias)) @import
(import_from_statement
  module_name: (_) @import.module
  (wildcard_import) @import.namespace) @import
(future_import_statement name: (dotted_name) @import.name) @import
