-- Gives a searching ride to the first driver of a list who is still eligible, else to
-- the nearest. ARGV: 2 ride, 3… drivers in the order of preference.
local ride = load('ride', ARGV[2])
if not ride then return { 'not_found' } end
settle(ride)
if ride.state ~= 'searching' then return answer('ok', ride) end
for i = 3, #ARGV do
  local d = matching().eligible(ride, ARGV[i])
  local at = d and matching().from_pickup(ride, d)
  if d and at <= cfg.radius then
    matching().take(ride, d, string.format('%.4f', at))
    return answer('ok', ride)
  end
end
if not matching().claim_nearest(ride) then
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker')
  schedule(ride)
end
return answer('ok', ride)
