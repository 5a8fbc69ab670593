; Where the JavaScript grammar differs from TypeScript's.

(class_declaration name: (identifier) @name) @definition.class
(program (lexical_declaration (variable_declarator name: (identifier) @name value: (class))) @definition.class)
(class_body (field_definition property: [(property_identifier) (private_property_identifier)] @name) @definition.field)

(class_heritage (identifier) @reference.implementation)
(class_heritage (member_expression property: (property_identifier) @reference.implementation))
