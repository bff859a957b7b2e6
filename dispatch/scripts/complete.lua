-- Ends a matched ride and frees its driver. ARGV: 2 ride, 4 the driver that the caller is bound to, or ''.
local ride = load('ride', ARGV[2])
if not ride or foreign(ride, '', ARGV[4]) then return { 'not_found' } end
settle(ride)
if ride.state == 'matched' then
  complete(ride, '')
elseif ride.state ~= 'completed' then
  return answer('too_late', ride)
end
return answer('ok', ride)
