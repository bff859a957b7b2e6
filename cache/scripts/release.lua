-- Gives a lease back if it is still the caller's, and wakes whoever waits.
--
-- KEYS: lease
-- ARGV: lease token, channel, message
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
redis.call('PUBLISH', ARGV[2], ARGV[3])
return 1
