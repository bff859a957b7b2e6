-- Reads where the driver of a ride under way is and, for a process that has somebody who
-- follows the ride, asks that it be told. ARGV: 2 ride, 3 process, 4 for how long in ms or 0.
-- Answers {'ok', {driver, lat, lng, seen, motion}} or {'too_late', …} as answer does.

-- How many processes are told where a driver is. Which ones stands in the driver's record,
-- each with the time until which it asked: "process until process until".
local listeners_most = 8

local ride = load('ride', ARGV[2])
if not ride then return { 'not_found' } end
local key = P .. ':driver:' .. (ride.driver or '')
local d = under_way(ride) and redis.call('HMGET', key, 'ride', 'lat', 'lng', 'seen', 'motion', 'heard')
if not d or d[1] ~= ride.id then return answer('too_late', ride) end
if ARGV[4] ~= '0' then
  local heard = { ARGV[3] .. ' ' .. number(now + ARGV[4]) }
  for process, till in string.gmatch(d[6] or '', '(%S+) (%d+)') do
    if process ~= ARGV[3] and tonumber(till) > now and #heard < listeners_most then
      heard[#heard + 1] = process .. ' ' .. till
    end
  end
  redis.call('HSET', key, 'heard', table.concat(heard, ' '))
end
return { 'ok', { ride.driver, d[2], d[3], d[4], d[5] or '' } }
