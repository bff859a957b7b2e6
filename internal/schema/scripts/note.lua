-- Notes the settings of a process, and forgets processes that were not heard of.
-- KEYS[1]: hash of processes. ARGV: 1 process, 2 for how many ms, 3 settings.
-- Answers the settings of the others.
redis.call('HSET', KEYS[1], ARGV[1], number(now + ARGV[2]) .. ' ' .. ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local others = {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
  local till, settings = string.match(flat[i + 1], '^(%d+) (.*)$')
  if not till or tonumber(till) <= now then
    redis.call('HDEL', KEYS[1], flat[i])
  elseif flat[i] ~= ARGV[1] then
    others[#others + 1] = settings
  end
end
return others
