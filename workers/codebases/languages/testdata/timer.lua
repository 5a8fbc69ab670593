local json = require("json")
local util = require "lib.util"

-- A timer that can be stopped.
local Timer = {}
Timer.__index = Timer

LIMIT = 10

-- Makes a timer.
function Timer.new(delay)
  return setmetatable({ delay = delay }, Timer)
end

--- Starts it. Calls back when done.
function Timer:start(callback)
  util.after(self.delay, callback)
  self:notify(json.encode(self))
end

local function helper(x)
  return x + 1
end

local double = function(x)
  return helper(x) * 2
end

Timer.stop = function(self) print(self) end

return Timer
