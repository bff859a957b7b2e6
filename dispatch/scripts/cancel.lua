-- Ends a ride that has not started. ARGV: 2 ride, 3 the rider that the caller is bound to, or '', 4 reason.
local ride = load('ride', ARGV[2])
if not ride or foreign(ride, ARGV[3], '') then return { 'not_found' } end
settle(ride)
if live(ride) and ride.state ~= 'started' then
  local driver = ride.driver
  if under_way(ride) then redis.call('HSET', P .. ':ride:' .. ride.id, 'had', driver) end
  finish(ride, 'cancelled', ARGV[4])
  if driver ~= '' then release(driver, ride) end
elseif ride.state ~= 'cancelled' then
  return answer('too_late', ride)
end
return answer('ok', ride)
