-- Gives a ride that has not started back on its driver's behalf. ARGV: 2 ride, 3 driver,
-- 4 reason. Answers the version that this led to, however the ride has gone on since.

-- given_back is the version of the ride that a driver led to by giving it back, or nil.
local function given_back(ride, driver)
  local said = redis.call('HGET', P .. ':asked:' .. ride.id, driver)
  return said and string.match(said, ' released (%d+)$')
end

local ride = load('ride', ARGV[2])
if not ride then return { 'not_found' } end
local before = given_back(ride, ARGV[3])
if before then return answer('ok', ride, before) end
if foreign(ride, '', ARGV[3]) then return { 'not_found' } end
settle(ride)
if ride.driver == ARGV[3] and (ride.state == 'matched' or ride.state == 'arrived') then matching().give_back(ride, ARGV[4]) end
local version = given_back(ride, ARGV[3])
if not version then return answer('too_late', ride) end
return answer('ok', ride, version)
