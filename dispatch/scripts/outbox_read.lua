-- Reads events that were not handed on yet, for one process at a time.
-- ARGV: 2 worker, 3 lease in ms, 4 how many. Answers {'ok', entries, how many there are in
-- all}, or {'leased'} by another.
if not lease_taken(P .. ':outbox:lease', ARGV[2], ARGV[3]) then return { 'leased' } end
local after = redis.call('GET', P .. ':outbox') or '0-0'
return { 'ok', redis.call('XRANGE', P .. ':events', '(' .. after, '+', 'COUNT', ARGV[4]), unsent() }
