-- Takes a ride under way a step further. ARGV: 2 ride, 3 the driver whose step it is, or ''
-- for whoever has the ride, 4 the state to reach: arrived, started or completed.
local ride = load('ride', ARGV[2])
if not ride or foreign(ride, '', ARGV[3]) then return { 'not_found' } end
settle(ride)
local from, to = progress[ride.state], progress[ARGV[4]]
-- The clock may just have taken the ride from this driver and given it to another.
if not from or from > to or ARGV[3] ~= '' and ride.driver ~= ARGV[3] then return answer('too_late', ride) end
if from == to then return answer('ok', ride) end
if ARGV[4] == 'completed' then
  complete(ride, '')
else
  advance(ride, ARGV[4])
end
return answer('ok', ride)
