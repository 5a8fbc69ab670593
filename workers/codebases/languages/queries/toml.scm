(document (pair . (_) @name) @definition.property)
(table . (_) @name) @definition.table
(table_array_element . (_) @name) @definition.table
(table (pair . (_) @name) @definition.property)
(table_array_element (pair . (_) @name) @definition.property)
