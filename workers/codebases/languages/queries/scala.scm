(class_definition name: (identifier) @name) @definition.class
(object_definition name: (identifier) @name) @definition.object
(trait_definition name: (identifier) @name) @definition.trait
(enum_definition name: (identifier) @name) @definition.enum
(simple_enum_case name: (identifier) @name) @definition.enum-member
(full_enum_case name: (identifier) @name) @definition.enum-member
(type_definition name: (type_identifier) @name) @definition.type
(template_body (function_definition name: (identifier) @name) @definition.method)
(template_body (function_declaration name: (identifier) @name) @definition.method)
(function_definition name: (identifier) @name) @definition.function
(function_declaration name: (identifier) @name) @definition.function
(given_definition name: (identifier) @name) @definition.variable
(template_body (val_definition pattern: (identifier) @name) @definition.field)
(template_body (var_definition pattern: (identifier) @name) @definition.field)
(compilation_unit (val_definition pattern: (identifier) @name) @definition.constant)
(compilation_unit (var_definition pattern: (identifier) @name) @definition.variable)

(extends_clause (type_identifier) @reference.implementation)
(extends_clause (generic_type type: (type_identifier) @reference.implementation))
(extends_clause (stable_type_identifier (type_identifier) @reference.implementation))
(call_expression function: (identifier) @reference.call)
(call_expression function: (field_expression field: (identifier) @reference.call))
(call_expression function: (generic_function function: (identifier) @reference.call))
(call_expression function: (generic_function function: (field_expression field: (identifier) @reference.call)))
(instance_expression (type_identifier) @reference.call)
(instance_expression (generic_type type: (type_identifier) @reference.call))
(annotation name: (type_identifier) @reference.call)
(type_identifier) @reference.type
(field_expression value: (identifier) @reference.use)
(arguments (identifier) @reference.use)
(infix_expression (identifier) @reference.use)

(import_declaration) @import.tree @import
