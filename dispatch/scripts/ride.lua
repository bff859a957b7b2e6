-- Settles and reads a ride. ARGV: 2 ride.
local ride = load('ride', ARGV[2])
if not ride then return { 'not_found' } end
settle(ride)
return answer('ok', ride)
