; Keys of the two outermost levels: what lies deeper is data.

(document (object (pair key: (string (string_content) @name) value: (object) @body) @definition.property))
(document (object (pair key: (string (string_content) @name)) @definition.property))
(document (object (pair value: (object (pair key: (string (string_content) @name)) @definition.property))))
