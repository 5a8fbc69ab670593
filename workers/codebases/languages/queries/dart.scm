; A body is the neighbor of its signature.

(class_definition name: (identifier) @name) @definition.class
(mixin_declaration (identifier) @name (class_body) @body) @definition.mixin
(extension_declaration name: (identifier) @name) @definition.extension
(enum_declaration name: (identifier) @name) @definition.enum
(enum_constant name: (identifier) @name) @definition.enum-member
(type_alias . (type_identifier) @name) @definition.type

((method_signature (function_signature name: (identifier) @name)) @definition.method . (function_body) @body)
((method_signature (getter_signature name: (identifier) @name)) @definition.property . (function_body) @body)
((method_signature (setter_signature name: (identifier) @name)) @definition.property . (function_body) @body)
((method_signature (factory_constructor_signature (identifier) @name . (formal_parameter_list))) @definition.constructor . (function_body) @body)
((method_signature (constructor_signature name: (identifier) @name . parameters: (_))) @definition.constructor . (function_body) @body)
(declaration (constructor_signature name: (identifier) @name . parameters: (_))) @definition.constructor
(declaration (constant_constructor_signature (identifier) @name . (formal_parameter_list))) @definition.constructor
(declaration (function_signature name: (identifier) @name)) @definition.method
(declaration (getter_signature name: (identifier) @name)) @definition.property
(declaration (initialized_identifier_list (initialized_identifier . (identifier) @name))) @definition.field
(declaration (static_final_declaration_list (static_final_declaration . (identifier) @name))) @definition.constant

(program ((function_signature name: (identifier) @name) @definition.function . (function_body) @body))
(program ((getter_signature name: (identifier) @name) @definition.variable . (function_body) @body))
(program (static_final_declaration_list (static_final_declaration . (identifier) @name) @definition.constant))
(program (initialized_identifier_list (initialized_identifier . (identifier) @name) @definition.variable))

(superclass (type_identifier) @reference.implementation)
(mixins (type_identifier) @reference.implementation)
(interfaces (type_identifier) @reference.implementation)
(mixin_declaration (identifier) (type_identifier) @reference.implementation)
((identifier) @reference.call . (selector (argument_part)))
((selector (unconditional_assignable_selector (identifier) @reference.call)) . (selector (argument_part)))
((selector (conditional_assignable_selector (identifier) @reference.call)) . (selector (argument_part)))
(new_expression (type_identifier) @reference.call)
(const_object_expression (type_identifier) @reference.call)
(annotation name: (identifier) @reference.call)
(type_identifier) @reference.type
(argument (identifier) @reference.use)
((identifier) @reference.use . (selector))

(library_import (import_specification (configurable_uri) @import.module)) @import
(library_import (import_specification (configurable_uri) @import.module . (identifier) @import.namespace)) @import
(library_import
  (import_specification
    (configurable_uri) @import.module
    (combinator "show" (identifier) @import.name))) @import
(library_export (configurable_uri) @import.module) @import
(part_directive (uri) @import.module) @import
