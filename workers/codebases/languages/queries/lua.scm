(function_declaration name: (identifier) @name) @definition.function
(function_declaration name: (dot_index_expression field: (identifier) @name)) @definition.function
(function_declaration name: (method_index_expression method: (identifier) @name)) @definition.method
(variable_declaration
  (assignment_statement
    (variable_list name: (identifier) @name)
    (expression_list value: (function_definition body: (_) @body)))) @definition.function
(assignment_statement
  (variable_list name: [(identifier) @name (dot_index_expression field: (identifier) @name)])
  (expression_list value: (function_definition body: (_) @body))) @definition.function
(chunk (variable_declaration (assignment_statement (variable_list name: (identifier) @name))) @definition.variable)
(chunk (assignment_statement (variable_list name: (identifier) @name)) @definition.variable)
(table_constructor (field name: (identifier) @name value: (function_definition body: (_) @body)) @definition.function)

(function_call
  name: (identifier) @_require
  arguments: (arguments . (string) @import.module)
  (#eq? @_require "require")) @import
(assignment_statement
  (variable_list name: (identifier) @import.namespace)
  (expression_list value: (function_call
    name: (identifier) @_require
    arguments: (arguments . (string) @import.module)))
  (#eq? @_require "require")) @import

(function_call name: (identifier) @reference.call)
(function_call name: (dot_index_expression field: (identifier) @reference.call))
(function_call name: (method_index_expression method: (identifier) @reference.call))
(arguments (identifier) @reference.use)
(dot_index_expression table: (identifier) @reference.use)
