(class_declaration name: (identifier) @name) @definition.class
(record_declaration name: (identifier) @name) @definition.class
(interface_declaration name: (identifier) @name) @definition.interface
(annotation_type_declaration name: (identifier) @name) @definition.interface
(enum_declaration name: (identifier) @name) @definition.enum
(enum_constant name: (identifier) @name) @definition.enum-member
(method_declaration name: (identifier) @name) @definition.method
(annotation_type_element_declaration name: (identifier) @name) @definition.method
(constructor_declaration name: (identifier) @name) @definition.constructor
(compact_constructor_declaration name: (identifier) @name) @definition.constructor
(field_declaration declarator: (variable_declarator name: (identifier) @name)) @definition.field
(constant_declaration declarator: (variable_declarator name: (identifier) @name)) @definition.constant

(method_invocation name: (identifier) @reference.call)
(object_creation_expression type: (type_identifier) @reference.call)
(object_creation_expression type: (generic_type (type_identifier) @reference.call))
(object_creation_expression type: (scoped_type_identifier (type_identifier) @reference.call .))
(method_reference (identifier) @reference.call .)
(marker_annotation name: (identifier) @reference.call)
(annotation name: (identifier) @reference.call)

(superclass (type_identifier) @reference.implementation)
(superclass (generic_type (type_identifier) @reference.implementation))
(super_interfaces (type_list (type_identifier) @reference.implementation))
(super_interfaces (type_list (generic_type (type_identifier) @reference.implementation)))
(extends_interfaces (type_list (type_identifier) @reference.implementation))
(extends_interfaces (type_list (generic_type (type_identifier) @reference.implementation)))
(type_identifier) @reference.type

(method_invocation object: (identifier) @reference.use)
(field_access object: (identifier) @reference.use)
(argument_list (identifier) @reference.use)
(binary_expression (identifier) @reference.use)

(import_declaration (scoped_identifier) @import.module (asterisk) @import.namespace) @import
(import_declaration
  (scoped_identifier scope: (_) @import.module name: (identifier) @import.name) .) @import
