-- Ends a worker's leases: the rides are due now, for anybody. ARGV: 2 worker, 3… rides.
for i = 3, #ARGV do
  if redis.call('HGET', P .. ':ride:' .. ARGV[i], 'worker') == ARGV[2] then
    redis.call('HDEL', P .. ':ride:' .. ARGV[i], 'worker')
    leases_return(P .. ':due', ARGV[i])
  end
end
return { 'ok' }
