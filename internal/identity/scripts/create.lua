-- Keeps a key. KEYS: records, version. ARGV: id, record, the most keys there may be.
-- Answers 'ok' or 'full'. Repeating it is harmless.
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[3]) then return 'full' end
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
  redis.call('INCR', KEYS[2])
end
return 'ok'
