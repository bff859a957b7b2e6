-- Extends a lease and puts it under another token, or the same, if it is still
-- held by the token expected.
--
-- KEYS: lease
-- ARGV: token expected, token from now on, life in ms
-- Returns 1 if it did.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if ARGV[2] ~= ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
