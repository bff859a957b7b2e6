-- The jobs whose charge has lapsed, so many at most. KEYS: as in account.lua. ARGV: how many.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', number(now), 'LIMIT', 0, ARGV[1])
