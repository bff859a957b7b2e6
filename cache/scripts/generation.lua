-- Brings the fleet's record of purges up to what the caller knows of it, and
-- counts one more purge if there is one.
--
-- KEYS: the record, a hash of scope → number of the last purge of that scope;
--       the scope "seq" is the number of the last purge of any kind
-- ARGV: channel (empty: no purge, merge only), scope of the purge (empty: a
--       single key), kind and tail of the message, 1 if the caller knows
--       nothing and only proposes how to begin, then pairs of scope and number
-- Returns the record as HGETALL does.
--
-- Numbers only grow, so the greater one is the newer one. That repairs a record
-- that Redis lost or restored from an old dump.

-- When Redis is out of memory it refuses a script's first write, unless that
-- frees some. A purge must not be refused: it is the way out.
redis.call('HDEL', KEYS[1], '')
-- When processes begin together one proposal must win: to the winner the
-- numbers of the others would be purges.
if ARGV[5] ~= '1' or redis.call('EXISTS', KEYS[1]) == 0 then
  for i = 6, #ARGV, 2 do
    local have = redis.call('HGET', KEYS[1], ARGV[i])
    if not have or tonumber(have) < tonumber(ARGV[i + 1]) then
      redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
    end
  end
end
if ARGV[1] ~= '' then
  redis.call('HINCRBY', KEYS[1], 'seq', 1)
  -- Read back as text: a Lua number may be written in another form.
  local seq = redis.call('HGET', KEYS[1], 'seq')
  if ARGV[2] ~= '' then
    redis.call('HSET', KEYS[1], ARGV[2], seq)
  end
  redis.call('PUBLISH', ARGV[1], ARGV[3] .. ' ' .. seq .. ' ' .. ARGV[4])
end
return redis.call('HGETALL', KEYS[1])
