(element (start_tag (attribute (attribute_name) @_id (quoted_attribute_value (attribute_value) @name)) (#eq? @_id "id"))) @definition.id
(element (self_closing_tag (attribute (attribute_name) @_id (quoted_attribute_value (attribute_value) @name)) (#eq? @_id "id"))) @definition.id

; A name with a hyphen is a component of the page's own.
(start_tag (tag_name) @reference.call (#match? @reference.call "-"))
(self_closing_tag (tag_name) @reference.call (#match? @reference.call "-"))

(script_element (start_tag (attribute (attribute_name) @_src (quoted_attribute_value (attribute_value) @import.module)) (#eq? @_src "src"))) @import
(element (start_tag (tag_name) @_link (attribute (attribute_name) @_href (quoted_attribute_value (attribute_value) @import.module)) (#eq? @_link "link") (#eq? @_href "href"))) @import
(script_element (raw_text) @injection)
