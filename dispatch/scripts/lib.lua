-- The transitions of rides and drivers. Every script of this folder is the shared
-- clock and lease, this file and its own; DESIGN.md has the states, keys and
-- invariants.
-- KEYS[1] is the region's prefix "geogate:{region}", from which all key names are
-- made: they share its hash tag and so its slot. ARGV[1] is the configuration.

local P = KEYS[1]
local cfg = cjson.decode(ARGV[1])

-- How many waiting rides one script may try for drivers who became available:
-- it bounds how long Redis is busy. The rest is left to the next tick.
local wake_budget = 64
-- An index this small is searched in one go, not radius by radius.
local few = 64

-- Drivers whom this script made available, to be offered to waiting rides.
local freed = {}

local function load(kind, id)
  local flat = redis.call('HGETALL', P .. ':' .. kind .. ':' .. id)
  if #flat == 0 then return nil end
  local h = { id = id }
  for i = 1, #flat, 2 do h[flat[i]] = flat[i + 1] end
  return h
end

local function event(fields)
  local kind = fields[2]
  redis.call('XADD', P .. ':events', 'MAXLEN', '~', number(cfg.backlog), '*', unpack(fields))
  redis.call('HINCRBY', P .. ':counts', kind, 1)
end

-- ---- drivers -------------------------------------------------------------

-- Tags travel and are stored as "\nfirst\nsecond\n"; a tag has no control
-- characters, so a plain find answers whether one is there.
local function has_tag(tags, tag)
  return string.find(tags, '\n' .. tag .. '\n', 1, true) ~= nil
end

local function each_tag(tags) return string.gmatch(tags, '[^\n]+') end

local function index(d)
  redis.call('GEOADD', P .. ':avail', d.lng, d.lat, d.id)
  if d.vehicle ~= '' then redis.call('GEOADD', P .. ':avail:v:' .. d.vehicle, d.lng, d.lat, d.id) end
  for tag in each_tag(d.tags) do redis.call('GEOADD', P .. ':avail:t:' .. tag, d.lng, d.lat, d.id) end
end

local function unindex(d)
  redis.call('ZREM', P .. ':avail', d.id)
  if d.vehicle ~= '' then redis.call('ZREM', P .. ':avail:v:' .. d.vehicle, d.id) end
  for tag in each_tag(d.tags) do redis.call('ZREM', P .. ':avail:t:' .. tag, d.id) end
end

local function fresh(d) return now - tonumber(d.seen) < cfg.driver_ttl end

local function go_offline(d, reason)
  event({ 'type', 'driver.offline', 'driver', d.id, 'at', number(now), 'reason', reason })
  redis.call('HSET', P .. ':driver:' .. d.id, 'state', 'offline')
  redis.call('HDEL', P .. ':driver:' .. d.id, 'ride', 'until')
  redis.call('PEXPIRE', P .. ':driver:' .. d.id, number(cfg.retention))
  redis.call('ZREM', P .. ':engaged', d.id)
  redis.call('ZREM', P .. ':watch', d.id)
  unindex(d)
end

local function go_available(d)
  redis.call('HSET', P .. ':driver:' .. d.id, 'state', 'available')
  redis.call('HDEL', P .. ':driver:' .. d.id, 'ride', 'until')
  redis.call('ZREM', P .. ':engaged', d.id)
  redis.call('ZADD', P .. ':watch', number(tonumber(d.seen) + cfg.driver_ttl), d.id)
  index(d)
  freed[#freed + 1] = d
end

-- engage takes an available or reserved driver for a ride.
local function engage(d, ride, state, till)
  redis.call('HSET', P .. ':driver:' .. d.id, 'state', state, 'ride', ride.id, 'until', number(till))
  redis.call('ZADD', P .. ':engaged', number(now), d.id)
  redis.call('ZREM', P .. ':watch', d.id)
  unindex(d)
end

-- release lets the driver of a ride go, unless they are no longer its driver.
local function release(id, ride)
  local d = load('driver', id)
  if not d then
    redis.call('ZREM', P .. ':engaged', id)
  elseif d.ride == ride.id then
    if fresh(d) then go_available(d) else go_offline(d, 'stale') end
  end
end

-- ---- rides ---------------------------------------------------------------

local function live(ride)
  return ride.state == 'searching' or ride.state == 'offered' or ride.state == 'matched'
end

-- schedule files a live ride under the time when something must be done about it.
local function schedule(ride)
  local at
  if ride.state == 'searching' then
    at = math.min(now + cfg.next, tonumber(ride.deadline))
  elseif ride.state == 'offered' then
    at = tonumber(ride.offer_until)
  else
    at = tonumber(ride.matched) + cfg.ride_ttl
  end
  redis.call('ZADD', P .. ':due', number(at), ride.id)
end

-- turn takes a ride to a state: event, fields, history and wake-up. The driver of
-- the new version is in d (nil: none), with their distance in metres.
local function turn(ride, state, reason, d, distance)
  ride.version = number(tonumber(ride.version or '0') + 1)
  local driver, lat, lng = '', '', ''
  if d then driver, lat, lng = d.id, d.lat, d.lng end
  -- The driver who was let go must hear of it, though the ride no longer shows them.
  event({ 'type', 'ride.' .. state, 'ride', ride.id, 'version', ride.version,
    'driver', driver, 'was', ride.driver or '', 'at', number(now), 'reason', reason,
    'distance', distance or '', 'seen', d and d.seen or '' })
  ride.state, ride.reason, ride.driver, ride.updated = state, reason, driver, number(now)
  redis.call('HSET', P .. ':ride:' .. ride.id, 'state', state, 'version', ride.version,
    'reason', reason, 'driver', driver, 'updated', ride.updated,
    -- The driver's id comes last: it may contain the separator.
    'h' .. ride.version, table.concat({ state, ride.updated, reason, distance or '', lat, lng, driver }, '|'))
  redis.call('PUBLISH', cfg.channel, 'ride ' .. ride.id)
end

local function finish(ride, state, reason, d, distance)
  turn(ride, state, reason, d, distance)
  redis.call('ZREM', P .. ':due', ride.id)
  redis.call('ZREM', P .. ':waiting', ride.id)
  if ride.rider ~= '' then redis.call('SREM', P .. ':rider:' .. ride.rider, ride.id) end
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker')
  redis.call('PEXPIRE', P .. ':ride:' .. ride.id, number(cfg.retention))
  redis.call('PEXPIRE', P .. ':asked:' .. ride.id, number(cfg.retention))
  if ride.idem ~= '' then redis.call('PEXPIRE', P .. ':idem:' .. ride.idem, number(cfg.retention)) end
end

-- complete keeps the driver visible in the ride that they have done.
local function complete(ride, reason)
  local shown = { id = ride.driver, lat = ride.driver_lat or '', lng = ride.driver_lng or '' }
  local id = ride.driver
  finish(ride, 'completed', reason, shown, ride.distance)
  release(id, ride)
end

local function search_on(ride, reason)
  turn(ride, 'searching', reason)
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'offer', 'offer_until', 'distance', 'worker')
  redis.call('GEOADD', P .. ':waiting', ride.lng, ride.lat, ride.id)
  schedule(ride)
end

-- assign gives the ride its driver.
local function assign(ride, d, distance, reason)
  turn(ride, 'matched', reason, d, distance)
  ride.matched, ride.distance, ride.driver_lat, ride.driver_lng = ride.updated, distance, d.lat, d.lng
  redis.call('HSET', P .. ':ride:' .. ride.id, 'matched', ride.matched, 'distance', distance,
    'driver_lat', d.lat, 'driver_lng', d.lng)
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker', 'offer', 'offer_until')
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
  redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker')
  redis.call('HSET', P .. ':asked:' .. ride.id, d.id, ride.offer)
  redis.call('ZREM', P .. ':waiting', ride.id)
  schedule(ride)
  engage(d, ride, 'reserved', tonumber(ride.offer_until))
  redis.call('PUBLISH', cfg.channel, 'driver ' .. P .. ' ' .. d.id)
end

-- ---- matching ------------------------------------------------------------

-- search returns the nearest drivers that accept(id) returns, at most want, as a
-- list of {driver, metres}, looking through the radii from small to large.
local function search(lng, lat, radii, vehicle, tags, want, accept)
  -- Of the indexes that apply, the smallest costs least.
  local from, members = P .. ':avail', redis.call('ZCARD', P .. ':avail')
  local function consider(key)
    local n = redis.call('ZCARD', key)
    if n < members then from, members = key, n end
  end
  if vehicle ~= '' then consider(P .. ':avail:v:' .. vehicle) end
  for tag in each_tag(tags) do consider(P .. ':avail:t:' .. tag) end
  if members == 0 then return {} end

  local judged, picked = {}, {}
  local first = 1
  if members <= few then first = #radii end
  for i = first, #radii do
    local count = math.max(16, want)
    while true do
      local found = redis.call('GEOSEARCH', from, 'FROMLONLAT', lng, lat, 'BYRADIUS', radii[i], 'm',
        'ASC', 'COUNT', count, 'WITHDIST')
      picked = {}
      for _, hit in ipairs(found) do
        local id = hit[1]
        if judged[id] == nil then judged[id] = accept(id) or false end
        if judged[id] then
          picked[#picked + 1] = { judged[id], hit[2] }
          if #picked == want then return picked end
        end
      end
      if #found < count then break end
      count = count * 4
    end
  end
  return picked
end

local function fits(d, vehicle, tags)
  if vehicle ~= '' and d.vehicle ~= vehicle then return false end
  for tag in each_tag(tags) do
    if not has_tag(d.tags, tag) then return false end
  end
  return true
end

-- candidate returns a driver who may be given a ride now, or nil.
local function candidate(id, vehicle, tags)
  local h = redis.call('HMGET', P .. ':driver:' .. id, 'state', 'seen', 'lat', 'lng', 'vehicle', 'tags')
  if h[1] ~= 'available' then return nil end
  local d = { id = id, seen = h[2], lat = h[3], lng = h[4], vehicle = h[5], tags = h[6] }
  if fresh(d) and fits(d, vehicle, tags) then return d end
  return nil
end

local function asked(ride, driver)
  return redis.call('HEXISTS', P .. ':asked:' .. ride.id, driver) == 1
end

-- attempt finds a searching ride its nearest eligible driver, and gives or offers it
-- to them. It reports whether there was one.
local function attempt(ride)
  local found = search(ride.lng, ride.lat, cfg.radii, ride.vehicle, ride.tags, 1, function(id)
    local d = candidate(id, ride.vehicle, ride.tags)
    if d and asked(ride, id) then return nil end
    return d
  end)
  if #found == 0 then return false end
  if cfg.offer_ttl > 0 then
    offer(ride, found[1][1], found[1][2])
  else
    assign(ride, found[1][1], found[1][2], '')
  end
  return true
end

-- settle carries out what has fallen due about a ride. After a lapsed offer
-- the next driver is tried at once.
local function settle(ride)
  if ride.state == 'offered' and now >= tonumber(ride.offer_until) then
    local driver = ride.driver
    search_on(ride, 'lapsed')
    release(driver, ride)
    if now < tonumber(ride.deadline) then attempt(ride) end
  end
  if ride.state == 'searching' and now >= tonumber(ride.deadline) then
    finish(ride, 'expired', 'deadline')
  elseif ride.state == 'matched' and now >= tonumber(ride.matched) + cfg.ride_ttl then
    complete(ride, 'ride_ttl')
  end
end

-- wake tries the waiting rides near the drivers who became available, nearest first,
-- and returns the drivers it did not get to.
local function wake()
  local left, budget = {}, wake_budget
  if #freed == 0 or redis.call('ZCARD', P .. ':waiting') == 0 then return left end
  for _, d in ipairs(freed) do
    if budget <= 0 then
      left[#left + 1] = d.id
    else
      local near = redis.call('GEOSEARCH', P .. ':waiting', 'FROMLONLAT', d.lng, d.lat,
        'BYRADIUS', cfg.radii[#cfg.radii], 'm', 'ASC', 'COUNT', wake_budget)
      for _, id in ipairs(near) do
        if budget <= 0 or redis.call('HGET', P .. ':driver:' .. d.id, 'state') ~= 'available' then break end
        budget = budget - 1
        local ride = load('ride', id)
        if ride then
          settle(ride)
          if ride.state == 'searching' and fits(d, ride.vehicle, ride.tags) then attempt(ride) end
        end
      end
    end
  end
  return left
end

-- answer ends a script. Drivers who became available on the way are tried first.
local function answer(code, ride)
  wake()
  if not ride then return { code } end
  return { code, ride.id, redis.call('HGETALL', P .. ':ride:' .. ride.id) }
end
