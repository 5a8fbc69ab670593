(class_declaration "interface" name: (identifier) @name (class_body)? @body) @definition.interface
(class_declaration (modifiers (class_modifier "enum")) name: (identifier) @name (enum_class_body)? @body) @definition.enum
(class_declaration name: (identifier) @name (class_body)? @body) @definition.class
(object_declaration name: (identifier) @name (class_body)? @body) @definition.class
(companion_object name: (identifier) @name (class_body)? @body) @definition.class
(enum_entry . (identifier) @name) @definition.enum-member
(type_alias type: (identifier) @name) @definition.type
(class_body (function_declaration name: (identifier) @name (function_body)? @body) @definition.method)
(function_declaration name: (identifier) @name (function_body)? @body) @definition.function
(secondary_constructor "constructor" @name (block)? @body) @definition.constructor
(class_parameter ["val" "var"] (identifier) @name) @definition.property
(class_body (property_declaration (variable_declaration . (identifier) @name)) @definition.property)
(source_file (property_declaration (modifiers (property_modifier "const")) (variable_declaration . (identifier) @name)) @definition.constant)
(source_file (property_declaration (variable_declaration . (identifier) @name)) @definition.variable)

(delegation_specifier (user_type (identifier) @reference.implementation))
(delegation_specifier (constructor_invocation (user_type (identifier) @reference.implementation)))
(call_expression . (identifier) @reference.call)
(call_expression . (navigation_expression (identifier) @reference.call .))
(callable_reference (identifier) @reference.call .)
(annotation (user_type (identifier) @reference.call))
(annotation (constructor_invocation (user_type (identifier) @reference.call)))
(user_type (identifier) @reference.type)
(navigation_expression . (identifier) @reference.use)
(value_argument (identifier) @reference.use)
(binary_expression (identifier) @reference.use)

(import) @import.tree @import
