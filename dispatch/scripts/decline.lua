-- Refuses the ride offered; the next driver is tried at once. ARGV as for accept.
local ride = load('ride', ARGV[2])
local said = redis.call('HGET', P .. ':asked:' .. ARGV[2], ARGV[4])
if not ride or not said or string.match(said, '^%x+') ~= ARGV[3] then return { 'not_found' } end
if string.find(said, ' declined', 1, true) then return answer('ok', ride) end
settle(ride)
if ride.state ~= 'offered' or ride.offer ~= ARGV[3] then return answer('too_late', ride) end
matching().decline(ride)
return answer('ok', ride)
