-- Takes an idempotency key that led to nothing out of a region, because another one uses
-- it. What stays is the turn of the move, which refuses requests that were on their way.
-- ARGV: 2 digest, 3 turn of the move, 4 ms for which they may be.
-- Answers {'ok'}, {'key_reused'}, or {'key_moved'} by somebody else since.
local key = P .. ':idem:' .. ARGV[2]
local held = redis.call('HMGET', key, 'fingerprint', 'ride', 'turn')
if held[3] and tonumber(held[3]) > tonumber(ARGV[3]) then return { 'key_moved' } end
if held[1] and (not held[2] or redis.call('EXISTS', P .. ':ride:' .. held[2]) == 1) then return { 'key_reused' } end
redis.call('DEL', key)
redis.call('HSET', key, 'turn', ARGV[3])
redis.call('PEXPIRE', key, ARGV[4])
return { 'ok' }
