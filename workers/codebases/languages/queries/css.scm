(rule_set (selectors (class_selector (class_name) @name)) (block) @body) @definition.class
(rule_set (selectors (_ (class_selector (class_name) @name))) (block) @body) @definition.class
(rule_set (selectors (id_selector (id_name) @name)) (block) @body) @definition.id
(rule_set (selectors (_ (id_selector (id_name) @name))) (block) @body) @definition.id
(declaration (property_name) @name (#match? @name "^--")) @definition.variable
(keyframes_statement (keyframes_name) @name (keyframe_block_list) @body) @definition.keyframes

(call_expression (function_name) @_var (arguments . (plain_value) @reference.use) (#eq? @_var "var"))
(declaration (property_name) @_name (plain_value) @reference.use (#any-of? @_name "animation" "animation-name"))

(import_statement (string_value) @import.module) @import
(import_statement (call_expression (arguments (string_value) @import.module))) @import
(import_statement (call_expression (arguments (plain_value) @import.module))) @import
