; What TypeScript adds to JavaScript.

(class_declaration name: (type_identifier) @name) @definition.class
(abstract_class_declaration name: (type_identifier) @name) @definition.class
(interface_declaration name: (type_identifier) @name) @definition.interface
(type_alias_declaration name: (type_identifier) @name) @definition.type
(enum_declaration name: (identifier) @name) @definition.enum
(enum_body name: (property_identifier) @name @definition.enum-member)
(enum_body (enum_assignment name: (property_identifier) @name) @definition.enum-member)
(internal_module name: (_) @name) @definition.namespace
(module name: (_) @name) @definition.namespace

(function_signature name: (identifier) @name) @definition.function
(abstract_method_signature name: (property_identifier) @name) @definition.method
(class_body (method_signature name: (property_identifier) @name) @definition.method)
(interface_body (method_signature name: (property_identifier) @name) @definition.method)
(interface_body (property_signature name: (property_identifier) @name) @definition.property)
(class_body (public_field_definition
  name: [(property_identifier) (private_property_identifier)] @name
  value: (arrow_function body: (_) @body)) @definition.method)
(class_body (public_field_definition name: [(property_identifier) (private_property_identifier)] @name) @definition.field)

(extends_clause value: (identifier) @reference.implementation)
(extends_clause value: (member_expression property: (property_identifier) @reference.implementation))
(implements_clause (type_identifier) @reference.implementation)
(implements_clause (generic_type name: (type_identifier) @reference.implementation))
(extends_type_clause type: (type_identifier) @reference.implementation)
(extends_type_clause type: (generic_type name: (type_identifier) @reference.implementation))
(type_identifier) @reference.type
(type_query (identifier) @reference.use)

(as_expression (identifier) @reference.use)
(satisfies_expression (identifier) @reference.use)

(import_statement
  (import_require_clause (identifier) @import.namespace source: (string) @import.module)) @import
