-- Reads an entry. If there is none, tries to take the lease on filling it.
--
-- KEYS: entry, lease, purge mark
-- ARGV: lease token, life in ms
-- Returns the entry, or {token in the lease, purge mark}, each nil if there is none.
--
-- An entry costs nothing but the read, and writes nothing.
local entry = redis.call('GET', KEYS[1])
if entry then return entry end
local taken = redis.pcall('SET', KEYS[2], ARGV[1], 'PX', ARGV[2], 'NX')
-- A fill needs no lease, so there need not be room for it.
if taken and taken.err and string.sub(taken.err, 1, 4) ~= 'OOM ' then return taken end
return {redis.call('GET', KEYS[2]), redis.call('GET', KEYS[3])}
