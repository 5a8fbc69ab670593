(element (start_tag (attribute (attribute_name) @_id (quoted_attribute_value (attribute_value) @name)) (#eq? @_id "id"))) @definition.id

; Components: written large, or with a hyphen.
(start_tag (tag_name) @reference.call (#match? @reference.call "^[A-Z]|-"))
(self_closing_tag (tag_name) @reference.call (#match? @reference.call "^[A-Z]|-"))

(script_element (start_tag (attribute (attribute_name) @_src (quoted_attribute_value (attribute_value) @import.module)) (#eq? @_src "src"))) @import
(script_element (raw_text) @injection)
