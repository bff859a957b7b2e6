-- The clock of Redis, read once for each script: the clocks of processes decide nothing.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)

-- number writes a whole number without an exponent, in all Lua versions.
local function number(n) return string.format('%d', n) end
