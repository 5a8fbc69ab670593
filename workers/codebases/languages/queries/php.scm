(class_declaration name: (name) @name) @definition.class
(interface_declaration name: (name) @name) @definition.interface
(trait_declaration name: (name) @name) @definition.trait
(enum_declaration name: (name) @name) @definition.enum
(enum_case name: (name) @name) @definition.enum-member
(method_declaration name: (name) @name (#eq? @name "__construct")) @definition.constructor
(method_declaration name: (name) @name) @definition.method
(function_definition name: (name) @name) @definition.function
(property_declaration (property_element name: (variable_name (name) @name))) @definition.field
(property_promotion_parameter name: (variable_name (name) @name)) @definition.field
(const_declaration (const_element (name) @name)) @definition.constant

(base_clause (name) @reference.implementation)
(base_clause (qualified_name (name) @reference.implementation))
(class_interface_clause (name) @reference.implementation)
(class_interface_clause (qualified_name (name) @reference.implementation))
(use_declaration (name) @reference.implementation)
(use_declaration (qualified_name (name) @reference.implementation))

(function_call_expression function: (name) @reference.call)
(function_call_expression function: (qualified_name (name) @reference.call))
(member_call_expression name: (name) @reference.call)
(nullsafe_member_call_expression name: (name) @reference.call)
(scoped_call_expression name: (name) @reference.call)
(object_creation_expression (name) @reference.call)
(object_creation_expression (qualified_name (name) @reference.call))
(attribute (name) @reference.call)
(scoped_call_expression scope: (name) @reference.type)
(class_constant_access_expression . (name) @reference.type)
(class_constant_access_expression (name) (name) @reference.use)
(named_type (name) @reference.type)
(named_type (qualified_name (name) @reference.type))

(namespace_use_declaration (namespace_use_clause (qualified_name prefix: (_) @import.module (name) @import.name .) alias: (name)? @import.alias)) @import
(namespace_use_declaration
  (namespace_name) @import.module
  body: (namespace_use_group (namespace_use_clause . (name) @import.name alias: (name)? @import.alias))) @import
(require_expression [(string) (encapsed_string)] @import.module) @import
(require_expression (binary_expression right: [(string) (encapsed_string)] @import.module)) @import
(require_once_expression [(string) (encapsed_string)] @import.module) @import
(require_once_expression (binary_expression right: [(string) (encapsed_string)] @import.module)) @import
(include_expression [(string) (encapsed_string)] @import.module) @import
(include_expression (binary_expression right: [(string) (encapsed_string)] @import.module)) @import
(include_once_expression [(string) (encapsed_string)] @import.module) @import
(include_once_expression (binary_expression right: [(string) (encapsed_string)] @import.module)) @import
