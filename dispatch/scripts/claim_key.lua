-- Takes an idempotency key while the caller prepares its request. ARGV: 2 digest,
-- 3 fingerprint, 4 claim, 5 ms until an abandoned claim lapses.
local key = P .. ':idem:' .. ARGV[2]
local held = redis.call('HMGET', key, 'fingerprint', 'ride', 'claim', 'turn')
if key_moved(held[4], ARGV[4]) then return { 'key_moved' } end
if held[1] then
  if held[1] ~= ARGV[3] then return { 'key_reused' } end
  if held[2] then
    local ride = load('ride', held[2])
    if ride then
      settle(ride)
      return answer('replayed', ride)
    end
  elseif held[3] ~= ARGV[4] then
    return { 'key_in_flight' }
  end
end
redis.call('DEL', key)
redis.call('HSET', key, 'fingerprint', ARGV[3], 'claim', ARGV[4])
redis.call('PEXPIRE', key, ARGV[5])
return { 'ok' }
