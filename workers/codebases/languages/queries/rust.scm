(impl_item body: (declaration_list (function_item name: (identifier) @name) @definition.method))
(trait_item body: (declaration_list (function_item name: (identifier) @name) @definition.method))
(trait_item body: (declaration_list (function_signature_item name: (identifier) @name) @definition.method))
(function_item name: (identifier) @name) @definition.function
(function_signature_item name: (identifier) @name) @definition.function
(struct_item name: (type_identifier) @name) @definition.struct
(union_item name: (type_identifier) @name) @definition.struct
(enum_item name: (type_identifier) @name) @definition.enum
(enum_variant name: (identifier) @name) @definition.enum-member
(trait_item name: (type_identifier) @name) @definition.trait
(impl_item type: (type_identifier) @name) @definition.impl
(impl_item type: (generic_type type: (type_identifier) @name)) @definition.impl
(type_item name: (type_identifier) @name) @definition.type
(associated_type name: (type_identifier) @name) @definition.type
(const_item name: (identifier) @name) @definition.constant
(static_item name: (identifier) @name) @definition.variable
(mod_item name: (identifier) @name body: (_)) @definition.module
(macro_definition name: (identifier) @name) @definition.macro
(field_declaration name: (field_identifier) @name) @definition.field

(call_expression function: (identifier) @reference.call)
(call_expression function: (field_expression field: (field_identifier) @reference.call))
(call_expression function: (scoped_identifier name: (identifier) @reference.call))
(call_expression function: (generic_function function: (identifier) @reference.call))
(call_expression function: (generic_function function: (scoped_identifier name: (identifier) @reference.call)))
(call_expression function: (generic_function function: (field_expression field: (field_identifier) @reference.call)))
(macro_invocation macro: (identifier) @reference.call)
(macro_invocation macro: (scoped_identifier name: (identifier) @reference.call))

(impl_item trait: (type_identifier) @reference.implementation)
(impl_item trait: (scoped_type_identifier name: (type_identifier) @reference.implementation))
(impl_item trait: (generic_type type: (type_identifier) @reference.implementation))
(impl_item trait: (generic_type type: (scoped_type_identifier name: (type_identifier) @reference.implementation)))
(trait_item bounds: (trait_bounds (type_identifier) @reference.implementation))
(type_identifier) @reference.type

(arguments (identifier) @reference.use)
(scoped_identifier path: (identifier) @reference.use)
(binary_expression (identifier) @reference.use)
(reference_expression (identifier) @reference.use)
(let_declaration value: (identifier) @reference.use)
(field_initializer value: (identifier) @reference.use)

(use_declaration argument: (_) @import.tree) @import
(mod_item !body name: (identifier) @import.module) @import
(extern_crate_declaration name: (identifier) @import.module) @import
