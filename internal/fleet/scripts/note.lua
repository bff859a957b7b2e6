-- Notes that a process is there, and forgets those that have been silent for long.
-- KEYS[1]: hash of name to "heard at (Unix ms) what it said". ARGV: 1 name, 2 what it says,
-- 3 ms until it is forgotten, 4 how many there may be: a newcomer above that is not noted.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local all = redis.call('HGETALL', KEYS[1])
local known = 0
for i = 1, #all, 2 do
  local heard = tonumber(string.match(all[i + 1], '^%d+'))
  if all[i] ~= ARGV[1] and (not heard or now - heard > tonumber(ARGV[3])) then
    redis.call('HDEL', KEYS[1], all[i])
  elseif all[i] ~= ARGV[1] then
    known = known + 1
  end
end
if known < tonumber(ARGV[4]) then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now) .. ' ' .. ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
