-- Removes an entry and leaves a mark, so that a fill that began before the purge
-- does not store its answer after it. The lease goes too, so that nobody who
-- asks from now on waits for that fill.
--
-- KEYS: entry, lease, purge mark
-- ARGV: new mark, life of the mark in ms
-- Returns the number of entries removed.
local removed = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2])
redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[2])
return removed
