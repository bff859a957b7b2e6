-- The long way of positions, with all rules. track_short.lua has stored the others, and says
-- what ARGV holds. Answers {'ok', {refused index, code, …}, drivers not yet tried for waiting rides,
-- {index of the first position of a driver whom this script did not get to, …}}.
local refused = {}

local function refuse(i, code)
  refused[#refused + 1] = index_of(i)
  refused[#refused + 1] = code
end

-- value is one of those of the position at i.
local function value(i, n) return n < width and ARGV[i + n] or '' end

-- refusal judges a position against what is known of its driver.
local function refusal(d, ts, turn)
  if turn == 'away' then
    -- Only a ride keeps drivers in a region that they do not report from.
    if d.state ~= 'reserved' and d.state ~= 'busy' then return 'moved' end
  elseif turn ~= '' and d.turn and tonumber(turn) < tonumber(d.turn) then
    return 'moved'
  end
  if ts ~= '' and tonumber(ts) > now + cfg.ts_ahead then return 'future' end
  if ts ~= '' and d.ts and tonumber(ts) < tonumber(d.ts) then return 'older' end
  return nil
end

-- said is a new value for what was known.
local function said(value, was, known)
  if value == '' or known and string.sub(value, 1, 1) == '?' then return was end
  return string.sub(value, 2)
end

-- coming_on reports whether a position would make its driver available.
local function coming_on(d) return d.state == 'offline' and not d.late and not d.off end

-- no_room reports whether there are as many drivers as there may be. Positions from the
-- past make nobody available, but they are remembered for a while.
local function no_room(d)
  if coming_on(d) then return not room_for_another() end
  return not d.known and redis.call('ZCARD', P .. ':watch') + redis.call('ZCARD', P .. ':engaged') >= 2 * cfg.max_drivers
end

-- tell passes a position on to the processes that have somebody who follows the ride, at
-- most once a second.
local function tell(d, ride, heard, told)
  if now < tonumber(told or 0) + 1000 then return end
  local message = table.concat({ ride, d.lat, d.lng, d.seen, d.motion }, ' ')
  for process, till in string.gmatch(heard, '(%S+) (%d+)') do
    spend(1)
    if tonumber(till) > now then redis.call('PUBLISH', process, message) end
  end
  redis.call('HSET', P .. ':driver:' .. d.id, 'told', number(now))
end

-- store writes the newest position of a driver; before is what was known of them.
local function store(d, before, to_come)
  local key = P .. ':driver:' .. d.id
  redis.call('HSET', key, 'lat', d.lat, 'lng', d.lng, 'seen', d.seen, 'state', d.state,
    'vehicle', d.vehicle, 'tags', d.tags, 'motion', d.motion)
  redis.call('ZADD', P .. ':moved', number(now), d.id)
  if d.ts then redis.call('HSET', key, 'ts', d.ts) end
  if d.turn then redis.call('HSET', key, 'turn', d.turn) end
  if not before.known then
    enlist({ id = d.id }) -- lost data may have left them in any list
    redis.call('PERSIST', key)
    redis.call('HDEL', key, 'off') -- of what they left behind
    if d.off then redis.call('HSET', key, 'off', d.off) end
    redis.call('HSET', key, 'first', d.first)
  end
  if before.moving and d.home then redis.call('HDEL', key, 'moving') end
  if before.heard and d.state == 'busy' and d.seen ~= before.seen then tell(d, before.ride, before.heard, before.told) end
  if d.state == 'available' then
    if d.vehicle ~= before.vehicle or d.tags ~= before.tags then unindex(before) end
    index(d)
  elseif coming_on(d) and not to_come then
    event({ 'type', 'driver.available', 'driver', d.id, 'at', d.seen })
    redis.call('PERSIST', key)
    go_available(d)
  elseif not before.known or d.off and d.state == 'offline' then
    watch(d.id, now + remembered(d))
    enlist(d, d.state)
  end
end

local function track(i)
  local id = ARGV[i]
  local h = redis.call('HMGET', P .. ':driver:' .. id, 'state', 'ts', 'vehicle', 'tags', 'seen', 'lat', 'lng',
    'turn', 'served', 'moving', 'motion', 'ride', 'heard', 'told', 'off', 'first')
  local before = { id = id, vehicle = h[3] or '', tags = h[4] or '', known = h[1], moving = h[10],
    seen = h[5], ride = h[12], heard = h[13], told = h[14] }
  local d = { id = id, known = h[1], state = h[1] or 'offline', ts = h[2], vehicle = before.vehicle, tags = before.tags,
    seen = h[5], lat = h[6], lng = h[7], turn = h[8], served = h[9], motion = h[11] or '',
    off = h[15], first = h[16], late = true }
  if d.state == 'gone' then d.state, d.known, before.known = 'offline', false, false end
  if not d.known then
    d.off = value(i, 8) ~= '' and value(i, 8) or nil
    d.first = value(i, 9) ~= '' and value(i, 9) or number(now)
  end
  local taken = false
  while i <= #ARGV and ARGV[i] == id do
    local ts, turn = value(i, 3), value(i, 5)
    local late = ts ~= '' and tonumber(ts) < now - cfg.driver_ttl
    local code = refusal(d, ts, turn)
    local begins = { state = d.state, known = d.known, late = late, off = d.off }
    if not code and not taken and no_room(begins) then code = 'driver_cap' end
    if not code and coming_on(begins) and backlogged() then code = 'events_backlog' end
    if code then
      refuse(i, code)
    else
      taken = true
      -- Without a ts the last position counts as of its arrival, which is later than this one.
      if not late or d.ts or d.state == 'offline' then
        d.lat, d.lng, d.motion = ARGV[i + 1], ARGV[i + 2], value(i, 4)
      end
      if not late or not d.seen then d.seen = number(now) end
      d.late = d.late and late
      if ts ~= '' and not (late and not d.ts and d.state ~= 'offline') then d.ts = ts end
      d.vehicle, d.tags = said(value(i, 6), d.vehicle, d.known), said(value(i, 7), d.tags, d.known)
      if turn ~= '' and turn ~= 'away' then d.turn, d.home = turn, true end
    end
    i = i + width
  end
  if taken then store(d, before, ARGV[2] == '1' and i > #ARGV) end
end

for n, i in ipairs(long) do
  -- The first is stored in any case: each script gets further.
  if n > 1 and exhausted() then
    later[#later + 1] = index_of(i)
  else
    spend(4)
    track(i)
  end
end
return { 'ok', refused, wake(), later }
