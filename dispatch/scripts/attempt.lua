-- Does what is due about a ride. ARGV: 2 ride.
local ride = load('ride', ARGV[2])
if not ride then
  redis.call('ZREM', P .. ':due', ARGV[2])
  redis.call('ZREM', P .. ':waiting', ARGV[2])
  unlist(ARGV[2], '', '')
  return { 'not_found' }
end
local version = ride.version
settle(ride)
if not live(ride) then
  redis.call('ZREM', P .. ':due', ride.id)
elseif ride.version == version and (ride.state ~= 'searching' or not attempt(ride)) then
  -- Nothing has filed the ride since the lease put it off.
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker')
  schedule(ride)
end
return answer('ok')
