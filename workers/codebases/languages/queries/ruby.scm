(module name: (constant) @name) @definition.module
(module name: (scope_resolution name: (constant) @name)) @definition.module
(class name: (constant) @name) @definition.class
(class name: (scope_resolution name: (constant) @name)) @definition.class
(class body: (body_statement (method name: (identifier) @name (#eq? @name "initialize")) @definition.constructor))
(class body: (body_statement (method name: (_) @name) @definition.method))
(module body: (body_statement (method name: (_) @name) @definition.method))
(singleton_class body: (body_statement (method name: (_) @name) @definition.method))
(method name: (_) @name) @definition.function
(singleton_method name: (_) @name) @definition.method
(alias name: (_) @name) @definition.method
(assignment left: (constant) @name) @definition.constant
(call
  method: (identifier) @_kind
  arguments: (argument_list (simple_symbol) @name)
  (#any-of? @_kind "attr_reader" "attr_writer" "attr_accessor")) @definition.property
(call
  method: (identifier) @_kind
  arguments: (argument_list . (simple_symbol) @name)
  (#any-of? @_kind "alias_method" "define_method" "scope")) @definition.method

(call
  method: (identifier) @_kind
  arguments: (argument_list (constant) @reference.implementation)
  (#any-of? @_kind "include" "extend" "prepend"))
(call
  method: (identifier) @_kind
  arguments: (argument_list (scope_resolution name: (constant) @reference.implementation))
  (#any-of? @_kind "include" "extend" "prepend"))
(superclass (constant) @reference.implementation)
(superclass (scope_resolution name: (constant) @reference.implementation))

(call
  method: (identifier) @_kind
  arguments: (argument_list . (string) @import.module)
  (#any-of? @_kind "require" "require_relative" "load")) @import

(call method: (identifier) @reference.call)
(call method: (constant) @reference.call)
(body_statement (identifier) @reference.call)
(if_modifier condition: (identifier) @reference.call)
(argument_list (identifier) @reference.use)
(constant) @reference.type
