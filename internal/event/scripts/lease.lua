-- Takes or prolongs the lease of a group's reader. KEYS[1] lease; ARGV: 1 who, 2 for
-- how many ms, 0 to give it back. Answers 1 when it is (or was) the caller's.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1
