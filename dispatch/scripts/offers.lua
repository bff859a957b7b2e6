-- Reads the offer that a driver may answer now. ARGV: 2 driver.
-- Answers {'ok'} without one, else {'ok', ride, its fields}.
local d = load('driver', ARGV[2])
if not d then return { 'not_found' } end
if d.state ~= 'reserved' then return { 'ok' } end
local ride = load('ride', d.ride)
if not ride then return { 'ok' } end
settle(ride)
if ride.state ~= 'offered' or ride.driver ~= d.id then return answer('ok') end
return answer('ok', ride)
