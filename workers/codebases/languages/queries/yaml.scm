; Keys of the two outermost levels: what lies deeper is data.

(document (block_node (block_mapping (block_mapping_pair key: (flow_node) @name value: (block_node) @body) @definition.property)))
(document (block_node (block_mapping (block_mapping_pair key: (flow_node) @name) @definition.property)))
(document (block_node (block_mapping (block_mapping_pair value: (block_node (block_mapping (block_mapping_pair key: (flow_node) @name value: (block_node) @body) @definition.property))))))
(document (block_node (block_mapping (block_mapping_pair value: (block_node (block_mapping (block_mapping_pair key: (flow_node) @name) @definition.property))))))
(anchor_name) @definition.anchor
(alias_name) @reference.use
