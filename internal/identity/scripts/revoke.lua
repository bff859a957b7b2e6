-- Ends a key. KEYS: records, version, its use. ARGV: id. Answers 'ok' or 'unknown'.
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 'unknown' end
redis.call('DEL', KEYS[3])
redis.call('INCR', KEYS[2])
return 'ok'
