-- Which drivers may be given a ride.

-- A tag has no control characters, so a plain find answers whether one is there.
local function has_tag(tags, tag)
  return string.find(tags, '\n' .. tag .. '\n', 1, true) ~= nil
end

local function fits(d, vehicle, tags)
  if vehicle ~= '' and d.vehicle ~= vehicle then return false end
  for tag in each_tag(tags) do
    if not has_tag(d.tags, tag) then return false end
  end
  return true
end

-- Redis goes through the list that a record is for each field: whoever matches nobody asks
-- for no more than these.
local shown = { 'state', 'seen', 'lat', 'lng' }
local all_of_them = { 'state', 'seen', 'lat', 'lng', 'vehicle', 'tags', 'first' }

-- candidate returns a driver who may be given a ride now, or nil. Where any vehicle and any
-- tags will do, no more fields than those shown have to be read.
local function candidate(id, vehicle, tags, fields)
  local h = redis.call('HMGET', P .. ':driver:' .. id, unpack(fields or all_of_them))
  if h[1] ~= 'available' then return nil end
  local d = { id = id, state = h[1], seen = h[2], lat = h[3], lng = h[4], vehicle = h[5], tags = h[6], first = h[7] }
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
    q.members = members
  end
  q.key = P .. ':avail' .. name
  local found, more, ahead = search(q)
  return found, more and more .. '|' .. name, ahead
end
