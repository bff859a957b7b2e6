-- Takes one call out of a budget. KEYS: what is spent of it in the present window.
-- ARGV: calls a window, its length in ms. Answers 0, or the ms until the next
-- window when all is spent.
local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000 + math.floor(tonumber(clock[2]) / 1000)
local length = tonumber(ARGV[2])
local window = string.format('%.0f', math.floor(now / length))
local left = length - now % length
local h = redis.call('HMGET', KEYS[1], 'window', 'spent')
local spent = h[1] == window and tonumber(h[2]) or 0
if spent >= tonumber(ARGV[1]) then return left end
redis.call('HSET', KEYS[1], 'window', window, 'spent', spent + 1)
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left + 1000))
return 0
