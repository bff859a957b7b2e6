-- The transitions of drivers.

-- Drivers whom this script made available, to be offered to waiting rides.
local freed = {}

-- each_index calls do_with every index of available drivers that a driver is in.
local function each_index(d, do_with)
  spend(1)
  do_with(P .. ':avail')
  if d.vehicle ~= '' then do_with(P .. ':avail:v:' .. d.vehicle) end
  for tag in each_tag(d.tags) do
    spend(1)
    do_with(P .. ':avail:t:' .. tag)
  end
end

local function index(d)
  each_index(d, function(key) redis.call('GEOADD', key, d.lng, d.lat, d.id) end)
end

local function unindex(d)
  each_index(d, function(key) redis.call('ZREM', key, d.id) end)
end

-- watch files a driver who has no ride under the time when sweep must look at them.
local function watch(id, at) redis.call('ZADD', P .. ':watch', number(at), id) end

-- remembered is how long an offline driver stays readable. Those who never had a ride
-- may be anybody's invention. Who is off shift must not come on duty by being forgotten.
local function remembered(d)
  if d.served or d.off then return cfg.retention end
  return math.min(cfg.retention, 5 * cfg.driver_ttl)
end

-- Drivers are listed by state, in the order of their first report.
local driver_states = { 'offline', 'available', 'reserved', 'busy' }

-- enlist moves a driver from the list of their state to that of another one; nil: to none. Who
-- reads all lists in one script finds everybody once. A driver without a state may be in any.
local function enlist(d, state)
  spend(2)
  for _, other in ipairs(driver_states) do
    if other ~= state and other == (d.state or other) then redis.call('ZREM', P .. ':drivers:' .. other, d.id) end
  end
  if not state then return end
  if not d.first then
    d.first = number(now)
    redis.call('HSET', P .. ':driver:' .. d.id, 'first', d.first)
  end
  redis.call('ZADD', P .. ':drivers:' .. state, d.first, d.id)
end

local function go_offline(d, reason)
  event({ 'type', 'driver.offline', 'driver', d.id, 'at', number(now), 'reason', reason })
  redis.call('HSET', P .. ':driver:' .. d.id, 'state', 'offline')
  redis.call('HDEL', P .. ':driver:' .. d.id, 'ride', 'until', 'heard', 'told')
  redis.call('ZREM', P .. ':engaged', d.id)
  watch(d.id, now + remembered(d))
  enlist(d, 'offline')
  unindex(d)
end

local function go_available(d)
  redis.call('HSET', P .. ':driver:' .. d.id, 'state', 'available')
  redis.call('HDEL', P .. ':driver:' .. d.id, 'ride', 'until', 'heard', 'told')
  redis.call('ZREM', P .. ':engaged', d.id)
  watch(d.id, tonumber(d.seen) + cfg.driver_ttl)
  enlist(d, 'available')
  index(d)
  freed[#freed + 1] = d
end

-- let_go ends what holds a driver. Those who reported from another region meanwhile
-- are nobody's candidate here, those who are off shift nobody's anywhere.
local function let_go(d)
  if d.moving then
    go_offline(d, 'moved')
  elseif d.off then
    go_offline(d, 'off_shift')
  elseif fresh(d) then
    go_available(d)
  else
    go_offline(d, 'stale')
  end
end

-- release lets the driver of a ride go, unless they are no longer its driver.
local function release(id, ride)
  local d = load('driver', id)
  if not d then
    redis.call('ZREM', P .. ':engaged', id)
  elseif d.ride == ride.id then
    let_go(d)
  end
end
