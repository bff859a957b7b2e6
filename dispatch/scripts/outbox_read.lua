-- Reads events that were not handed on yet, for one process at a time.
-- ARGV: 2 worker, 3 lease in ms, 4 how many. Answers {'ok', entries}, or {'leased'}
-- by another.
local key = P .. ':outbox:lease'
local holder = redis.call('GET', key)
if holder and holder ~= ARGV[2] then return { 'leased' } end
redis.call('SET', key, ARGV[2], 'PX', ARGV[3])
local after = redis.call('GET', P .. ':outbox') or '0-0'
return { 'ok', redis.call('XRANGE', P .. ':events', '(' .. after, '+', 'COUNT', ARGV[4]) }
