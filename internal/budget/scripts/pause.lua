-- The provider has sent us away: nobody in the fleet calls it for a while.
--
-- KEYS  1 hash of the budget
-- ARGV  1 microseconds
-- Returns what is left of the pause, which may be an earlier and longer one.

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
local till = now + tonumber(ARGV[1])
local pause = tonumber(redis.call('HGET', KEYS[1], 'pause') or 0)
if till > pause then
  redis.call('HSET', KEYS[1], 'pause', string.format('%.0f', till))
end
local needed = math.ceil(tonumber(ARGV[1]) / 1000) + 60000
if redis.call('PTTL', KEYS[1]) < needed then
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', needed))
end
return math.max(till, pause) - now
