-- Bringing rides and drivers together.

local function fits(d, vehicle, tags)
  if vehicle ~= '' and d.vehicle ~= vehicle then return false end
  for tag in each_tag(tags) do
    if not has_tag(d.tags, tag) then return false end
  end
  return true
end

-- candidate returns a driver who may be given a ride now, or nil.
local function candidate(id, vehicle, tags)
  local h = redis.call('HMGET', P .. ':driver:' .. id, 'state', 'seen', 'lat', 'lng', 'vehicle', 'tags', 'first')
  if h[1] ~= 'available' then return nil end
  local d = { id = id, seen = h[2], lat = h[3], lng = h[4], vehicle = h[5], tags = h[6], first = h[7] }
  if fresh(d) and fits(d, vehicle, tags) then return d end
  return nil
end

-- search_drivers searches the available drivers as search does; q has a vehicle and tags
-- instead of a key. Of the indexes that apply it takes the smallest, and
-- keeps to it when it goes on.
local function search_drivers(q)
  local place, name = string.match(q.from or '', '^([^|]*)|(.*)$')
  q.from = place
  if not name then
    name = ''
    local members = redis.call('ZCARD', P .. ':avail')
    local function consider(other)
      local n = redis.call('ZCARD', P .. ':avail' .. other)
      if n < members then name, members = other, n end
    end
    if q.vehicle ~= '' then consider(':v:' .. q.vehicle) end
    for tag in each_tag(q.tags) do consider(':t:' .. tag) end
  end
  q.key = P .. ':avail' .. name
  local found, more, ahead = search(q)
  return found, more and more .. '|' .. name, ahead
end

local function asked(ride, driver)
  return redis.call('HEXISTS', P .. ':asked:' .. ride.id, driver) == 1
end

-- eligible returns a driver who may be given this ride now, or nil.
local function eligible(ride, id)
  local d = candidate(id, ride.vehicle, ride.tags)
  if d and not asked(ride, id) then return d end
  return nil
end

-- take gives a ride to a driver, or offers it to them.
local function take(ride, d, distance)
  if cfg.offer_ttl > 0 then
    offer(ride, d, distance)
  else
    assign(ride, d, distance, '')
  end
end

local function from_pickup(ride, d)
  return metres(math.rad(ride.lng), math.rad(ride.lat), math.rad(d.lng), math.rad(d.lat))
end

-- find_nearest returns the eligible drivers nearest to a searching ride, at most want of
-- them, each with their distance. When it is cut off before it knows anybody it files the
-- ride to go on soon, and the second value is true. arrived is a driver who has just
-- become available, perhaps in the part that was searched before.
local function find_nearest(ride, want, arrived)
  local function judge(id) return eligible(ride, id) end
  local radius, known = cfg.radii[#cfg.radii], {}
  for _, id in ipairs({ ride.best or '', ride.from and arrived and arrived.id or '' }) do
    local d = id ~= '' and judge(id)
    if d then
      local at = from_pickup(ride, d)
      if at <= radius then known[#known + 1] = { d, at } end
    end
  end
  local found, more, ahead = search_drivers({
    lng = ride.lng, lat = ride.lat, radius = radius, vehicle = ride.vehicle, tags = ride.tags,
    want = want, from = ride.from, known = known, judge = judge,
  })
  if #found > 0 then return found, false end
  if more then
    redis.call('HSET', P .. ':ride:' .. ride.id, 'from', more, 'best', ahead[1] and ahead[1][1].id or '')
    redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker')
    schedule_step(ride)
    return found, true
  end
  if ride.from then redis.call('HDEL', P .. ':ride:' .. ride.id, 'from', 'best') end
  return found, false
end

-- claim_nearest gives a searching ride to its nearest eligible driver. It returns
-- 'taken', 'on' when it has filed the ride to go on soon, or nil when there is nobody.
local function claim_nearest(ride, arrived)
  local found, on = find_nearest(ride, 1, arrived)
  if on then return 'on' end
  if #found == 0 then return nil end
  take(ride, found[1][1], found[1][2])
  return 'taken'
end

-- In ms: a process that named candidates and is not back by then has died.
local choice_within = 1000

-- name_candidates is claim_nearest where a process chooses (choose.lua): it returns
-- 'named' and the id, lat and lng of each candidate, the nearest first.
local function name_candidates(ride)
  local found, on = find_nearest(ride, cfg.candidates)
  local list = {}
  for _, hit in ipairs(found) do
    local d = hit[1]
    for _, v in ipairs({ d.id, d.lat, d.lng }) do list[#list + 1] = v end
  end
  if on then return 'on', list end
  if #list == 0 then return nil, list end
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker')
  redis.call('ZADD', P .. ':due', number(math.min(now + choice_within, tonumber(ride.deadline))), ride.id)
  return 'named', list
end

local told = false -- that something is due

-- attempt is claim_nearest; where a process chooses, the ride is filed for one and the
-- worker of the region is told.
local function attempt(ride, arrived)
  if cfg.candidates == 0 then return claim_nearest(ride, arrived) end
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker')
  redis.call('ZADD', P .. ':due', number(now), ride.id)
  if not told then redis.call('PUBLISH', cfg.channel, 'due ' .. P) end
  told = true
  spend(1)
  return 'on'
end

-- given_back is the version of the ride that a driver led to by giving it back, or nil.
local function given_back(ride, driver)
  local said = redis.call('HGET', P .. ':asked:' .. ride.id, driver)
  return said and string.match(said, ' released (%d+)$')
end

-- give_back parts a ride from its driver. It searches again, for as long as a new ride
-- would, and does not ask this driver again.
local function give_back(ride, reason)
  local driver, asked = ride.driver, P .. ':asked:' .. ride.id
  ride.deadline = number(now + cfg.timeout)
  redis.call('HSET', P .. ':ride:' .. ride.id, 'deadline', ride.deadline)
  search_on(ride, reason)
  local said = redis.call('HGET', asked, driver)
  redis.call('HSET', asked, driver, (said and string.match(said, '^%x+') or '0') .. ' released ' .. ride.version)
  release(driver, ride)
  attempt(ride)
end

-- begin lets a scheduled ride search, for as long as a new one would.
local function begin(ride)
  ride.deadline = number(now + cfg.timeout)
  redis.call('HSET', P .. ':ride:' .. ride.id, 'deadline', ride.deadline)
  search_on(ride, '')
  attempt(ride)
end

-- settle carries out what has fallen due about a ride. After a lapsed offer
-- the next driver is tried at once.
local function settle(ride)
  if ride.state == 'scheduled' and now >= tonumber(ride.begins) then begin(ride) end
  if ride.state == 'offered' and now >= tonumber(ride.offer_until) then
    local driver = ride.driver
    search_on(ride, 'lapsed')
    release(driver, ride)
    if now < tonumber(ride.deadline) then attempt(ride) end
  end
  if ride.state == 'searching' and now >= tonumber(ride.deadline) then
    finish(ride, 'expired', 'deadline')
  elseif under_way(ride) and now >= tonumber(ride.matched) + cfg.ride_ttl then
    complete(ride, 'ride_ttl')
  elseif now >= lost_at(ride) then
    give_back(ride, 'driver_lost')
  end
end

-- decline takes an offer back on behalf of the driver who was asked, and asks the next one.
local function decline(ride)
  local driver, offer = ride.driver, ride.offer
  search_on(ride, 'declined')
  redis.call('HSET', P .. ':asked:' .. ride.id, driver, offer .. ' declined')
  release(driver, ride)
  attempt(ride)
end

-- How many waiting rides are tried for one driver who became available.
local rides_tried = 8

-- rides_near returns waiting rides that a driver fits, nearest first.
local function rides_near(d)
  local found, _, ahead = search({
    key = P .. ':waiting', lng = d.lng, lat = d.lat, radius = cfg.radii[#cfg.radii], want = rides_tried,
    judge = function(id)
      local h = redis.call('HMGET', P .. ':ride:' .. id, 'vehicle', 'tags')
      if h[1] and fits(d, h[1], h[2]) and not asked({ id = id }, d.id) then return id end
      return nil
    end,
  })
  for _, hit in ipairs(ahead) do found[#found + 1] = hit end
  return found
end

-- wake tries the waiting rides near the drivers who became available, nearest first,
-- and returns the drivers it did not get to.
local function wake()
  local left = {}
  if #freed == 0 or redis.call('ZCARD', P .. ':waiting') == 0 then return left end
  local function available(d) return redis.call('HGET', P .. ':driver:' .. d.id, 'state') == 'available' end
  for _, d in ipairs(freed) do
    -- Who had most of a script for themselves is not tried again: each step gets further.
    local fair = spent < effort / 4
    if not exhausted() then
      for _, hit in ipairs(rides_near(d)) do
        if exhausted() or not available(d) then break end
        local ride = load('ride', hit[1])
        if ride then
          settle(ride)
          if ride.state == 'searching' then attempt(ride, d) end
        end
      end
    end
    if exhausted() and not fair and available(d) then left[#left + 1] = d.id end
  end
  return left
end

-- answer ends a script. Drivers who became available on the way are tried first. The
-- version is that to show, if it is not the present one.
local function answer(code, ride, version)
  wake()
  if not ride then return { code } end
  return { code, ride.id, redis.call('HGETALL', P .. ':ride:' .. ride.id), version }
end
