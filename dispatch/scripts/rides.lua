-- The transitions of rides.

-- How far a ride has come with its driver.
local progress = { matched = 1, arrived = 2, started = 3, completed = 4 }

-- under_way reports whether a ride has a driver, who is busy with it.
local function under_way(ride)
  return ride.state == 'matched' or ride.state == 'arrived' or ride.state == 'started'
end

local function live(ride)
  return ride.state == 'scheduled' or ride.state == 'searching' or ride.state == 'offered' or under_way(ride)
end

-- foreign reports whether a ride is none of the caller's: they are bound to a rider, or to
-- a driver, whose it is not. Who is bound to nobody ('') may act for anybody. It is asked
-- before the ride is settled: to others a ride that is not theirs does not exist. A driver
-- who was on the way when the ride was cancelled may still learn that.
local function foreign(ride, rider, driver)
  if rider == '' and driver == '' then return false end
  return not (rider ~= '' and ride.rider == rider or driver ~= '' and (ride.driver == driver or ride.had == driver))
end

-- How many versions of a ride can be read. A ride that many drivers decline in turn
-- would otherwise grow for as long as it searches.
local versions_kept = 64

-- lost_at is when the driver of a ride counts as lost if nothing more is heard of them.
-- A match or a step is a sign of life, too. After the start nobody is given up.
local function lost_at(ride)
  if cfg.lost_after == 0 or ride.state ~= 'matched' and ride.state ~= 'arrived' then return math.huge end
  local since = tonumber(ride.updated)
  if now < since + cfg.lost_after then return since + cfg.lost_after end
  spend(1)
  local seen = redis.call('HGET', P .. ':driver:' .. ride.driver, 'seen')
  return math.max(since, tonumber(seen or 0)) + cfg.lost_after
end

-- schedule files a live ride under the time when something must be done about it.
local function schedule(ride)
  local at
  if ride.state == 'scheduled' then
    at = tonumber(ride.begins)
  elseif ride.state == 'searching' then
    at = math.min(now + cfg.next, tonumber(ride.deadline))
  elseif ride.state == 'offered' then
    at = tonumber(ride.offer_until)
  else
    at = math.min(tonumber(ride.matched) + cfg.ride_ttl, lost_at(ride))
  end
  redis.call('ZADD', P .. ':due', number(at), ride.id)
end

-- list files a ride under its new state and driver, for lists. They are ordered by when rides
-- were made, which never changes.
local function list(ride, state, driver, was)
  spend(2)
  if ride.state then redis.call('ZREM', P .. ':rides:' .. ride.state, ride.id) end
  redis.call('ZADD', P .. ':rides:' .. state, ride.created, ride.id)
  if was ~= driver and was ~= '' then redis.call('ZREM', P .. ':rides:d:' .. was, ride.id) end
  if was ~= driver and driver ~= '' then redis.call('ZADD', P .. ':rides:d:' .. driver, ride.created, ride.id) end
  if ride.version == '1' and ride.rider ~= '' then
    redis.call('ZADD', P .. ':rides:r:' .. ride.rider, ride.created, ride.id)
  end
end

-- turn takes a ride to a state: event, fields, history and wake-up. The driver of
-- the new version is in d (nil: none), with their distance in metres.
local function turn(ride, state, reason, d, distance)
  ride.version = number(tonumber(ride.version or '0') + 1)
  local driver, lat, lng = '', '', ''
  if d then driver, lat, lng = d.id, d.lat, d.lng end
  local was = ride.driver or ''
  -- The driver who was let go must hear of it, though the ride no longer shows them.
  event({ 'type', 'ride.' .. state, 'ride', ride.id, 'version', ride.version,
    'driver', driver, 'was', was, 'at', number(now), 'reason', reason,
    'distance', distance or '', 'seen', d and d.seen or '' })
  list(ride, state, driver, was)
  ride.state, ride.reason, ride.driver, ride.updated = state, reason, driver, number(now)
  redis.call('HSET', P .. ':ride:' .. ride.id, 'state', state, 'version', ride.version,
    'reason', reason, 'driver', driver, 'updated', ride.updated,
    'h' .. ride.version, cjson.encode({ state = state, at = ride.updated, reason = reason, driver = driver,
      distance = distance or '', lat = lat, lng = lng, deadline = ride.deadline }))
  local oldest = tonumber(ride.version) - versions_kept
  if oldest > 0 then redis.call('HDEL', P .. ':ride:' .. ride.id, 'h' .. number(oldest)) end
  redis.call('PUBLISH', cfg.channel, 'ride ' .. ride.id)
  for id in pairs({ [driver] = true, [was] = true }) do
    if id ~= '' then redis.call('PUBLISH', cfg.channel, 'driver ' .. P .. ' ' .. id) end
  end
  spend(6)
end

local function finish(ride, state, reason, d, distance)
  turn(ride, state, reason, d, distance)
  redis.call('ZREM', P .. ':due', ride.id)
  redis.call('ZREM', P .. ':waiting', ride.id)
  if ride.rider ~= '' then redis.call('SREM', P .. ':rider:' .. ride.rider, ride.id) end
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker', 'from', 'best')
  redis.call('PEXPIRE', P .. ':ride:' .. ride.id, number(cfg.retention))
  -- By then the ride itself is gone: this says in which lists it is. Ids have no line breaks.
  redis.call('ZADD', P .. ':ended', number(now + cfg.retention), ride.id .. '\n' .. ride.driver .. '\n' .. ride.rider)
  redis.call('PEXPIRE', P .. ':asked:' .. ride.id, number(cfg.retention))
  if ride.idem ~= '' then redis.call('PEXPIRE', P .. ':idem:' .. ride.idem, number(cfg.retention)) end
end

-- as_matched is the driver of a ride under way as they were when it got them.
local function as_matched(ride)
  return { id = ride.driver, lat = ride.driver_lat or '', lng = ride.driver_lng or '' }
end

-- advance takes a ride under way to arrived or started.
local function advance(ride, state)
  turn(ride, state, '', as_matched(ride), ride.distance)
  schedule(ride)
end

-- complete keeps the driver visible in the ride that they have done.
local function complete(ride, reason)
  local id = ride.driver
  finish(ride, 'completed', reason, as_matched(ride), ride.distance)
  release(id, ride)
end
