-- Ends a ride that has no driver yet. ARGV: 2 ride, 3 the rider that the caller is bound to, or ''.
local ride = load('ride', ARGV[2])
if not ride or foreign(ride, ARGV[3], '') then return { 'not_found' } end
settle(ride)
if ride.state == 'searching' or ride.state == 'offered' then
  local driver = ride.driver
  finish(ride, 'cancelled', '')
  if driver ~= '' then release(driver, ride) end
elseif ride.state ~= 'cancelled' then
  return answer('too_late', ride)
end
return answer('ok', ride)
