-- Bringing rides and drivers together.

-- engage takes an available or reserved driver for a ride.
local function engage(d, ride, state, till)
  redis.call('HSET', P .. ':driver:' .. d.id, 'state', state, 'ride', ride.id, 'until', number(till), 'served', '1')
  redis.call('ZADD', P .. ':engaged', number(now), d.id)
  redis.call('ZREM', P .. ':watch', d.id)
  enlist(d, state)
  unindex(d)
end

local function search_on(ride, reason)
  turn(ride, 'searching', reason)
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'offer', 'offer_until', 'distance', 'worker', 'from', 'best')
  ride.from, ride.best = nil, nil
  redis.call('GEOADD', P .. ':waiting', ride.lng, ride.lat, ride.id)
  schedule(ride)
end

-- assign gives the ride its driver.
local function assign(ride, d, distance, reason)
  turn(ride, 'matched', reason, d, distance)
  ride.matched, ride.distance, ride.driver_lat, ride.driver_lng = ride.updated, distance, d.lat, d.lng
  redis.call('HSET', P .. ':ride:' .. ride.id, 'matched', ride.matched, 'distance', distance,
    'driver_lat', d.lat, 'driver_lng', d.lng)
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker', 'offer', 'offer_until', 'from', 'best')
  redis.call('ZREM', P .. ':waiting', ride.id)
  schedule(ride)
  engage(d, ride, 'busy', now + cfg.ride_ttl)
end

-- offer asks a driver, who is held for the ride until the offer ends. It never
-- outlives the ride's deadline, so that only a searching ride can expire.
local function offer(ride, d, distance)
  turn(ride, 'offered', '', d, distance)
  ride.offer_until = number(math.min(now + cfg.offer_ttl, tonumber(ride.deadline)))
  -- The token comes from outside: Lua in Redis has no good source of randomness.
  ride.offer = redis.sha1hex(cfg.entropy .. ride.id .. ride.version)
  ride.distance = distance
  redis.call('HSET', P .. ':ride:' .. ride.id, 'offer', ride.offer, 'offer_until', ride.offer_until,
    'distance', distance, 'driver_lat', d.lat, 'driver_lng', d.lng)
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker', 'from', 'best')
  redis.call('HSET', P .. ':asked:' .. ride.id, d.id, ride.offer)
  redis.call('ZREM', P .. ':waiting', ride.id)
  schedule(ride)
  engage(d, ride, 'reserved', tonumber(ride.offer_until))
end

-- pace is the pause in ms between two steps of searches that go on, of all rides of
-- the region together: at worst they take a quarter of Redis's time.
local pace = 10

-- schedule_step files a searching ride whose search goes on.
local function schedule_step(ride)
  local at = math.max(now, tonumber(redis.call('GET', P .. ':paced') or 0) + pace)
  redis.call('SET', P .. ':paced', number(at), 'PX', 60000)
  redis.call('ZADD', P .. ':due', number(math.min(at, tonumber(ride.deadline))), ride.id)
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
  local radius, known = cfg.radius, {}
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

-- lapse takes an offer back that nobody has answered in time, and asks the next driver at
-- once.
local function lapse(ride)
  local driver = ride.driver
  search_on(ride, 'lapsed')
  release(driver, ride)
  if now < tonumber(ride.deadline) then attempt(ride) end
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
    key = P .. ':waiting', lng = d.lng, lat = d.lat, radius = cfg.radius, want = rides_tried,
    judge = function(id)
      local h = redis.call('HMGET', P .. ':ride:' .. id, 'vehicle', 'tags')
      if h[1] and fits(d, h[1], h[2]) and not asked({ id = id }, d.id) then return id end
      return nil
    end,
  })
  for _, hit in ipairs(ahead) do found[#found + 1] = hit end
  return found
end

-- try_waiting tries the waiting rides near the drivers who became available, nearest first,
-- and returns the drivers it did not get to.
local function try_waiting()
  local left = {}
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

return {
  assign = assign, attempt = attempt, begin = begin, claim_nearest = claim_nearest, decline = decline, eligible = eligible,
  from_pickup = from_pickup, give_back = give_back, lapse = lapse, name_candidates = name_candidates, search_on = search_on,
  take = take, try_waiting = try_waiting,
}
