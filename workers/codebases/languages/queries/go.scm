(function_declaration name: (identifier) @name) @definition.function
(method_declaration name: (field_identifier) @name) @definition.method
(type_declaration (type_spec name: (type_identifier) @name type: (struct_type (field_declaration_list) @body)) @definition.struct)
(type_declaration (type_spec name: (type_identifier) @name type: (interface_type "{" @body)) @definition.interface)
(type_declaration (type_spec name: (type_identifier) @name) @definition.type)
(type_declaration (type_alias name: (type_identifier) @name) @definition.type)
(interface_type (method_elem name: (field_identifier) @name) @definition.method)
(struct_type (field_declaration_list (field_declaration name: (field_identifier) @name) @definition.field))
(source_file (const_declaration (const_spec name: (identifier) @name) @definition.constant))
(source_file (var_declaration (var_spec name: (identifier) @name) @definition.variable))
(source_file (var_declaration (var_spec_list (var_spec name: (identifier) @name) @definition.variable)))

(call_expression function: (identifier) @reference.call)
(call_expression function: (selector_expression field: (field_identifier) @reference.call))
(call_expression function: (parenthesized_expression (identifier) @reference.call))

; An embedded field brings the methods of its type along.
(field_declaration !name type: (type_identifier) @reference.implementation)
(field_declaration !name type: (qualified_type name: (type_identifier) @reference.implementation))
(interface_type (type_elem (type_identifier) @reference.implementation))
(interface_type (type_elem (qualified_type name: (type_identifier) @reference.implementation)))
(type_identifier) @reference.type

(argument_list (identifier) @reference.use)
(argument_list (selector_expression field: (field_identifier) @reference.use))
(literal_element (identifier) @reference.use)
(return_statement (expression_list (identifier) @reference.use))

(import_spec path: (interpreted_string_literal) @import.module) @import
(import_spec
  name: (package_identifier) @import.namespace
  path: (interpreted_string_literal) @import.module) @import
(import_spec name: (dot) @import.namespace path: (interpreted_string_literal) @import.module) @import
