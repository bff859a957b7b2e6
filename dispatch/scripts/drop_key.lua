-- Gives back an idempotency key that led to no ride. ARGV: 2 digest, 3 claim.
local key = P .. ':idem:' .. ARGV[2]
if redis.call('HGET', key, 'claim') == ARGV[3] then redis.call('DEL', key) end
return { 'ok' }
