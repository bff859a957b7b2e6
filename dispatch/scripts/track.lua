-- Stores positions. ARGV[2…]: six values a position: id, lat, lng, ts in ms or '',
-- vehicle and tags, each '' for unchanged or '=' and the value.
-- Answers {'ok', {refused index, code, …}, drivers not yet tried for waiting rides}.
local refused = {}
for i = 2, #ARGV, 6 do
  local id, lat, lng, ts = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local key = P .. ':driver:' .. id
  local h = redis.call('HMGET', key, 'state', 'ts', 'vehicle', 'tags')
  local state = h[1] or 'offline'
  if ts ~= '' and tonumber(ts) > now + cfg.ts_ahead then
    refused[#refused + 1] = (i - 2) / 6
    refused[#refused + 1] = 'future'
  elseif ts ~= '' and h[2] and tonumber(ts) < tonumber(h[2]) then
    refused[#refused + 1] = (i - 2) / 6
    refused[#refused + 1] = 'older'
  else
    local old = { id = id, vehicle = h[3] or '', tags = h[4] or '' }
    local d = { id = id, lat = lat, lng = lng, seen = number(now), vehicle = old.vehicle, tags = old.tags }
    if ARGV[i + 4] ~= '' then d.vehicle = string.sub(ARGV[i + 4], 2) end
    if ARGV[i + 5] ~= '' then d.tags = string.sub(ARGV[i + 5], 2) end
    local changed = not h[1] or d.vehicle ~= old.vehicle or d.tags ~= old.tags
    if changed then
      redis.call('HSET', key, 'lat', lat, 'lng', lng, 'seen', d.seen, 'state', state,
        'vehicle', d.vehicle, 'tags', d.tags)
    else
      redis.call('HSET', key, 'lat', lat, 'lng', lng, 'seen', d.seen)
    end
    if ts ~= '' then redis.call('HSET', key, 'ts', ts) end
    if state == 'available' then
      if changed then unindex(old) end
      index(d)
    elseif state == 'offline' then
      event({ 'type', 'driver.available', 'driver', id, 'at', d.seen })
      redis.call('PERSIST', key)
      go_available(d)
    end
  end
end
return { 'ok', refused, wake() }
