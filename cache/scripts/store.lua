-- Stores an entry, gives the lease back and wakes whoever waits for either.
--
-- KEYS: entry, lease, purge mark
-- ARGV: lease token, entry, life in ms, purge mark seen before the fill
--       (empty: none), channel (empty: nobody is told), message, then only for
--       an answer that must not take the place of a better one: the first bytes
--       of what it may replace (empty: nothing)
-- Returns {1: stored or 0, error of the store or empty}.
--
-- A different mark means that the key was purged after the fill began. The
-- answer is from before the purge then, and is not kept. If there is another
-- entry than the one that may be replaced, it came meanwhile, and may be better.
local stored, problem = 0, ''
local free = (redis.call('GET', KEYS[3]) or '') == ARGV[4]
if free and ARGV[7] then
  local head = redis.call('GETRANGE', KEYS[1], 0, 63)
  free = head == '' or head == ARGV[7]
end
if free then
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
if ARGV[5] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[6]) end
return {stored, problem}
