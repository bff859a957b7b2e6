-- Stores an entry, gives the lease back and wakes whoever waits for either.
--
-- KEYS: entry, lease, purge mark
-- ARGV: lease token, entry, life in ms, purge mark seen before the fill
--       (empty: none), channel, message
-- Returns {1: stored or 0, error of the store or empty}.
--
-- A different mark means that the key was purged after the fill began. The
-- answer is from before the purge then, and is not kept.
local stored, problem = 0, ''
if (redis.call('GET', KEYS[3]) or '') == ARGV[4] then
  -- This has to be the first write: once a script has written something, Redis
  -- no longer refuses it for lack of memory.
  local reply = redis.pcall('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  if reply.err then
    problem = reply.err
  else
    stored = 1
  end
end
if redis.call('GET', KEYS[2]) == ARGV[1] then
  redis.call('DEL', KEYS[2])
end
redis.call('PUBLISH', ARGV[5], ARGV[6])
return {stored, problem}
