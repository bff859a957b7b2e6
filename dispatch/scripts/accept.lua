-- Takes the ride offered. ARGV: 2 ride, 3 offer token, 4 driver. An offer that was
-- made to somebody else does not exist.
local ride = load('ride', ARGV[2])
local said = redis.call('HGET', P .. ':asked:' .. ARGV[2], ARGV[4])
if not ride or not said or string.match(said, '^%x+') ~= ARGV[3] then return { 'not_found' } end
if string.find(said, ' accepted', 1, true) then return answer('ok', ride) end
settle(ride)
if ride.state ~= 'offered' or ride.offer ~= ARGV[3] then return answer('too_late', ride) end
local d = load('driver', ARGV[4])
-- Only lost data can part an offer from its driver; the ride then goes on.
if not d or d.ride ~= ride.id then
  matching().search_on(ride, 'lost')
  matching().attempt(ride)
  return answer('too_late', ride)
end
matching().assign(ride, d, ride.distance, '')
redis.call('HSET', P .. ':asked:' .. ride.id, d.id, ARGV[3] .. ' accepted')
return answer('ok', ride)
