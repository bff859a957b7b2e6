-- Renews a worker's leases. ARGV: 2 worker, 3 lease in ms, 4… rides.
for i = 4, #ARGV do
  if redis.call('HGET', P .. ':ride:' .. ARGV[i], 'worker') == ARGV[2] then
    leases_renew(P .. ':due', ARGV[i], ARGV[3])
  end
end
return { 'ok' }
