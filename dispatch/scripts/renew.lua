-- Prolongs a worker's leases. ARGV: 2 worker, 3 lease in ms, 4… rides.
for i = 4, #ARGV do
  if redis.call('HGET', P .. ':ride:' .. ARGV[i], 'worker') == ARGV[2] then
    redis.call('ZADD', P .. ':due', 'XX', number(now + tonumber(ARGV[3])), ARGV[i])
  end
end
return { 'ok' }
