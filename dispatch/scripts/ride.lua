-- Settles and reads a ride. ARGV: 2 ride, 3 and 4 the rider and the driver that the caller is bound to, or ''.
local ride = load('ride', ARGV[2])
if not ride or foreign(ride, ARGV[3], ARGV[4]) then return { 'not_found' } end
settle(ride)
return answer('ok', ride)
