(variable_declaration (identifier) @name (struct_declaration) @body) @definition.struct
(variable_declaration (identifier) @name (union_declaration) @body) @definition.struct
(variable_declaration (identifier) @name (opaque_declaration) @body) @definition.struct
(variable_declaration (identifier) @name (enum_declaration) @body) @definition.enum
(variable_declaration (identifier) @name (error_set_declaration) @body) @definition.enum
(struct_declaration (function_declaration name: (identifier) @name) @definition.method)
(union_declaration (function_declaration name: (identifier) @name) @definition.method)
(enum_declaration (function_declaration name: (identifier) @name) @definition.method)
(function_declaration name: (identifier) @name) @definition.function
(test_declaration (string (string_content) @name)) @definition.test
(test_declaration (identifier) @name) @definition.test
(container_field name: (identifier) @name) @definition.field
(source_file (variable_declaration "const" . (identifier) @name) @definition.constant)
(source_file (variable_declaration "var" . (identifier) @name) @definition.variable)
(struct_declaration (variable_declaration "const" . (identifier) @name) @definition.constant)

(variable_declaration
  (identifier) @import.namespace
  (builtin_function
    (builtin_identifier) @_import
    (arguments (string) @import.module))
  (#eq? @_import "@import")) @import
(builtin_function
  (builtin_identifier) @_import
  (arguments (string) @import.module)
  (#eq? @_import "@import")) @import

(call_expression function: (identifier) @reference.call)
(call_expression function: (field_expression member: (identifier) @reference.call))
(struct_initializer (identifier) @reference.type)
(parameter type: (identifier) @reference.type)
(pointer_type (identifier) @reference.type)
(function_declaration type: (identifier) @reference.type)
(field_expression object: (identifier) @reference.use)
(arguments (identifier) @reference.use)
(call_expression (identifier) @reference.use)
