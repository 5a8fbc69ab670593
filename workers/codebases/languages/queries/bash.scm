(function_definition name: (word) @name) @definition.function
(declaration_command "readonly" (variable_assignment name: (variable_name) @name)) @definition.constant
(program (declaration_command (variable_assignment name: (variable_name) @name)) @definition.variable)
(program (variable_assignment name: (variable_name) @name) @definition.variable)

(command
  name: (command_name (word) @_source)
  . argument: (_) @import.module
  (#any-of? @_source "source" ".")) @import
(command name: (command_name (word) @reference.call))
(simple_expansion (variable_name) @reference.use)
(expansion (variable_name) @reference.use)
