-- What scripts on rides begin and end with. Most of them match nobody, so matching.lua and what
-- it needs are one function, new_matching; it makes the others when somebody is to be matched.
local new_matching, made

local function matching()
  made = made or new_matching()
  return made
end

-- settle carries out what has fallen due about a ride.
local function settle(ride)
  if ride.state == 'scheduled' and now >= tonumber(ride.begins) then matching().begin(ride) end
  if ride.state == 'offered' and now >= tonumber(ride.offer_until) then matching().lapse(ride) end
  if ride.state == 'searching' and now >= tonumber(ride.deadline) then
    finish(ride, 'expired', 'deadline')
  elseif under_way(ride) and now >= tonumber(ride.matched) + cfg.ride_ttl then
    complete(ride, 'ride_ttl')
  elseif now >= lost_at(ride) then
    matching().give_back(ride, 'driver_lost')
  end
end

-- wake offers the drivers who became available to waiting rides near them, and returns the
-- drivers it did not get to.
local function wake()
  if #freed == 0 or redis.call('ZCARD', P .. ':waiting') == 0 then return {} end
  return matching().try_waiting()
end

-- answer ends a script. Drivers who became available on the way are tried first. The
-- version is that to show, if it is not the present one.
local function answer(code, ride, version)
  wake()
  if not ride then return { code } end
  return { code, ride.id, redis.call('HGETALL', P .. ':ride:' .. ride.id), version }
end
