-- Registers a region unless there are too many. Stands alone, without lib.lua: the
-- list of regions belongs to none of them. KEYS: the set. ARGV: 1 region, 2 the most.
if redis.call('SISMEMBER', KEYS[1], ARGV[1]) == 1 then return 1 end
if redis.call('SCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('SADD', KEYS[1], ARGV[1])
return 1
