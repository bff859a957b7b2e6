-- Searching a geo index from near to far, a bounded piece at a time.
--
-- GEOSEARCH measures every member of the squares around a point before it cuts the
-- list, so in a crowded town one call may take longer than a script may. A geo index
-- is a sorted set whose score is the square that a member stands in, each square
-- being the four of the next level: ZCOUNT tells without looking at members how many
-- a square holds, and a range of scores reads just those. Squares are looked at in
-- the order of their distance and split while they hold many.

-- An index of so few members is searched in one go. The built-in Redis sorts the whole
-- set at each command: there, one go is always the cheapest.
local few = rawget(_G, '_GOPHER_LUA_VERSION') and 1000000 or 256
local most_hits = 256
-- GEOSEARCH measures so many members in some 250 µs.
local most_measured = 2000
-- A square of so few members is read rather than split.
local leaf = 12
local deepest = 26 -- levels of squares in a score

-- A search does a thousand sums: finding a function in a table costs as much as half of one.
local abs, floor, max, min, pi = math.abs, math.floor, math.max, math.min, math.pi
local asin, atan, cos, rad, sin, sqrt, tan = math.asin, math.atan, math.cos, math.rad, math.sin, math.sqrt, math.tan

local earth = 6372797.560856 -- metres, as Redis measures
local lat_edge = rad(85.05112878)

local function metres(lng1, lat1, lng2, lat2) -- in radians
  local u, v = sin((lat2 - lat1) / 2), sin((lng2 - lng1) / 2)
  return 2 * earth * asin(sqrt(u * u + cos(lat1) * cos(lat2) * v * v))
end

-- edges returns a square's south and north in radians, and the least and greatest
-- difference in longitude between it and the point p.
local function edges(p, s)
  local size = 2 ^ s.level
  local width, height = 2 * pi / size, 2 * lat_edge / size
  local south = s.y * height - lat_edge
  local middle = abs((s.x + 0.5) * width - pi - p.lng)
  if middle > pi then middle = 2 * pi - middle end
  return south, south + height, max(0, middle - width / 2), min(pi, middle + width / 2)
end

local function least_distance(p, s)
  local south, north, near = edges(p, s)
  if near > pi / 2 then return 0 end -- a lower bound is all that is needed
  -- The nearest point of a meridian lies a little towards the pole.
  local lat = p.lat
  if near > 0 then lat = atan(p.slope / cos(near)) end
  if lat < south then
    lat = south
  elseif lat > north then
    lat = north
  elseif near == 0 then
    return 0 -- p is in the square
  end
  return metres(0, p.lat, near, lat)
end

local function greatest_distance(p, s)
  local south, north, _, far = edges(p, s)
  if far > pi / 2 then return math.huge end
  return max(metres(0, p.lat, far, south), metres(0, p.lat, far, north))
end

-- spread puts a zero before each bit of n.
local function spread(n)
  local score, bit = 0, 1
  while n > 0 do
    local last = n % 2
    score, n, bit = score + last * bit, (n - last) / 2, bit * 4
  end
  return score
end

-- A heap of squares and of members found, the nearest on top. At the same distance
-- members come first, then squares by score.
local function nearer(a, b)
  if a.at ~= b.at then return a.at < b.at end
  return a.score < b.score
end

local function push(heap, e)
  local i = #heap + 1
  while i > 1 do
    local up = floor(i / 2)
    if not nearer(e, heap[up]) then break end
    heap[i], i = heap[up], up
  end
  heap[i] = e
end

local function pop(heap)
  local top, last = heap[1], heap[#heap]
  heap[#heap] = nil
  local n, i = #heap, 1
  if n == 0 then return top end
  while true do
    local down = 2 * i
    if down > n then break end
    if down < n and nearer(heap[down + 1], heap[down]) then down = down + 1 end
    if not nearer(heap[down], last) then break end
    heap[i], i = heap[down], down
  end
  heap[i] = last
  return top
end

-- squares_around pushes the squares, up to nine, that cover the circle.
local function squares_around(heap, p, radius)
  local r = radius / earth
  local steepest = cos(min(lat_edge, abs(p.lat) + r))
  local level = min(math.log(2 * pi * steepest / r), math.log(2 * lat_edge / r)) / math.log(2)
  level = max(0, min(deepest, floor(level)))
  local size = 2 ^ level
  local x = floor((p.lng + pi) / (2 * pi) * size)
  local y = min(size - 1, floor((p.lat + lat_edge) / (2 * lat_edge) * size))
  local there = {}
  for dx = -1, 1 do
    local column = (x + dx) % size
    local bits = 2 * spread(column)
    for dy = max(-1, -y), min(1, size - 1 - y) do
      -- The bits of latitude and longitude take turns in a score.
      local score = (bits + spread(y + dy)) * 4 ^ (deepest - level)
      local s = { level = level, x = column, y = y + dy, skip = 0, score = score }
      s.at = least_distance(p, s)
      if s.at <= radius and not there[score] then
        there[score] = true
        push(heap, s)
      end
    end
  end
end

-- read pushes a page of the members of a square that is not split. It reports how many there
-- were. Who is not among the nearest need not be judged, so that is left for later.
local function read(heap, p, q, s, low, high)
  local first = redis.call('ZCOUNT', q.key, '-inf', '(' .. low) + s.skip
  local ids = redis.call('ZRANGE', q.key, number(first), number(first + min(leaf, s.count - s.skip) - 1))
  if #ids == 0 then return 0 end
  spend(2)
  local where = redis.call('GEOPOS', q.key, unpack(ids))
  local farthest = s.at
  for i, id in ipairs(ids) do
    local at = metres(p.lng, p.lat, rad(where[i][1]), rad(where[i][2]))
    farthest = max(farthest, at)
    if at <= q.radius then
      spend(1) -- for judging them
      push(heap, { at = at, score = -1, member = id })
    end
  end
  return #ids, farthest
end

local function start(q)
  local heap = {}
  for _, k in ipairs(q.known or {}) do push(heap, { at = k[2], score = -1, value = k[1] }) end
  return heap
end

local function pick(picked, e) picked[#picked + 1] = { e.value, string.format('%.4f', e.at) } end

-- rest empties a heap and returns the members that were in it.
local function rest(heap, q)
  local ahead = {}
  while #heap > 0 do
    local e = pop(heap)
    if e.member then e.value = q.judge(e.member) end
    if e.value then pick(ahead, e) end
  end
  return ahead
end

-- one_go searches the circle of a radius for as many members, which are few enough to be
-- measured together, or in the built-in Redis.
local function one_go(q, radius, skip, most)
  local heap, picked = start(q), {}
  spend(10)
  local hits = redis.call('GEOSEARCH', q.key, 'FROMLONLAT', q.lng, q.lat, 'BYRADIUS', radius, 'm',
    'ASC', 'COUNT', skip + most, 'WITHDIST')
  for i = skip + 1, skip + most + 1 do
    local hit = hits[i]
    if not hit and #hits == skip + most or hit and exhausted() then
      return picked, 'hits ' .. number(i - 1), rest(heap, q)
    end
    while #heap > 0 and (not hit or heap[1].at <= tonumber(hit[2])) do
      pick(picked, pop(heap))
      if #picked == q.want then return picked, nil, {} end
    end
    if not hit then break end
    spend(1)
    local value = q.judge(hit[1])
    if value then
      picked[#picked + 1] = { value, hit[2] }
      if #picked == q.want then return picked, nil, {} end
    end
  end
  return picked, nil, {}
end

-- held counts the members of the square of a level that has a score in it.
local function held(q, level, score)
  local size = 4 ^ (deepest - level)
  local low = score - score % size
  spend(1)
  return redis.call('ZCOUNT', q.key, number(low), '(' .. number(low + size))
end

-- measured is how many members GEOSEARCH measures for a circle, at most. It takes the squares
-- around the point at a level that follows from the radius (geohashEstimateStepsByRadius in
-- Redis), and a coarser one near the poles; four squares of the level above cover them. Mostly
-- one of those that were counted around the point covers the four.
local function measured(q, p, radius, counts)
  local level, reach = -1, radius
  while reach < 20037726.37 do reach, level = 2 * reach, level + 1 end
  level = min(deepest, level)
  if abs(p.lat) > pi / 3 then level = level - 3 end
  if level < 2 then return math.huge end
  local size = 2 ^ (level - 1)
  local x, y = floor(p.x * 2 ^ level), floor(p.y * 2 ^ level)
  local west, east, south, north = floor((x - 1) / 2), floor((x + 1) / 2), floor((y - 1) / 2), floor((y + 1) / 2)
  for above = level - 1, 0, -1 do
    local n, wide = counts[above], 2 ^ (level - 1 - above)
    if n and floor(west / wide) == floor(east / wide) and floor(south / wide) == floor(north / wide) then
      if n <= most_measured then return n end
      break
    end
  end
  local sum = 0
  for _, column in ipairs({ west, east }) do
    local bits = 2 * spread(column % size)
    for row = max(0, south), min(size - 1, north) do
      sum = sum + held(q, level - 1, (bits + spread(row)) * 4 ^ (deepest - level + 1))
    end
  end
  return sum
end

-- close_by is search in a circle so small that it holds hardly more than is wanted. It
-- returns nil when that is not enough, or when too many stand around the circle. Only a search that
-- goes on has q.known, which may be farther away than the circle reaches.
local function close_by(q, p)
  p.x, p.y = (p.lng + pi) / (2 * pi), (p.lat + lat_edge) / (2 * lat_edge)
  if p.y < 0 or p.y >= 1 then return nil end
  local score = 2 * spread(floor(p.x * 2 ^ deepest) % 2 ^ deepest) + spread(floor(p.y * 2 ^ deepest))
  -- The smallest square around the point with enough members, from 150 km to 1 m. Chance
  -- puts three times the root more or fewer into a circle, and some are not what is wanted.
  local enough, counts = q.want + floor(3 * sqrt(q.want)) + 1, {}
  local level, too_deep = 8, 25
  while too_deep - level > 1 do
    local middle = floor((level + too_deep) / 2)
    counts[middle] = held(q, middle, score)
    if counts[middle] < enough then too_deep = middle else level = middle end
  end
  if level == 8 then return nil end
  -- A circle as large as the part of the square that holds enough; those in it may stand
  -- elsewhere in the square, so then one of twice the radius.
  local part = 2 * pi * cos(p.lat) * 2 * lat_edge * enough / counts[level]
  local radius = earth * sqrt(part / pi) / 2 ^ level
  for _ = 1, 2 do
    radius = min(q.radius, radius)
    local crowd = measured(q, p, radius, counts)
    if crowd > most_measured then return nil end
    spend(floor(crowd / 25))
    local picked, more = one_go(q, radius, 0, enough)
    if #picked == q.want or radius == q.radius and not more then return picked end
    radius = 2 * radius
  end
end

-- search looks in the geo index q.key for the q.want members nearest to q.lng and
-- q.lat, within q.radius metres, that q.judge(id) returns something for. It returns
--
--   - those found, as {value, metres}, nearest first;
--   - where to go on if it was cut off before it was certain of all, for q.from;
--   - then also what it has found so far beyond the certain ones. A search that goes
--     on does not come by them again.
--
-- Members who came into the part already searched are not found: go on soon.
local function search(q)
  q.from = q.from or ''
  local members = q.members or redis.call('ZCARD', q.key)
  if members == 0 then return {}, nil, {} end
  if members <= few then return one_go(q, q.radius, tonumber(string.match(q.from, '^hits (%d+)$') or 0), most_hits) end

  local p = { lng = rad(tonumber(q.lng)), lat = rad(tonumber(q.lat)) }
  p.slope = tan(p.lat)
  local near = q.from == '' and close_by(q, p)
  if near then return near, nil, {} end
  local heap, picked = start(q), {}
  local from_at, from_score, from_skip = string.match(q.from, '^square (%S+) (%d+) (%d+)$')
  from_at, from_score, from_skip = tonumber(from_at or -1), tonumber(from_score or -1), tonumber(from_skip or 0)
  squares_around(heap, p, q.radius)
  spend(10)
  local read_some = false
  while #heap > 0 do
    local s = pop(heap)
    if s.member then s.value = q.judge(s.member) end
    if s.value then
      pick(picked, s)
      if #picked == q.want then return picked, nil, {} end
    elseif not s.member then
      local quarter = 4 ^ (deepest - s.level - 1)
      local low, high = number(s.score), '(' .. number(s.score + 4 * quarter)
      if not s.count then
        s.count = redis.call('ZCOUNT', q.key, low, high)
        spend(1)
      end
      local splits = s.count > leaf and s.level < deepest
      if s.score == from_score and not splits then
        s.skip, s.at = max(s.skip, from_skip), max(s.at, from_at)
      end
      if s.count == 0 then -- nobody there
      elseif splits then
        for i = 0, 3 do
          local child = { level = s.level + 1, x = 2 * s.x + floor(i / 2), y = 2 * s.y + i % 2, skip = 0,
            score = s.score + i * quarter }
          child.at = least_distance(p, child)
          local done = child.at < from_at and greatest_distance(p, child) < from_at
          if child.at <= q.radius and not done then push(heap, child) end
        end
        spend(1)
      elseif s.at > from_at or s.at == from_at and s.score >= from_score then
        -- The first square is read in any case: each step gets further.
        if exhausted() and read_some then
          return picked, string.format('square %.17g %.0f %.0f', s.at, s.score, s.skip), rest(heap, q)
        end
        read_some = true
        local n, farthest = read(heap, p, q, s, low)
        s.skip = s.skip + n
        -- The rest of a square that cannot be split comes after those just read.
        if n > 0 and s.skip < s.count then
          s.at = farthest
          push(heap, s)
        end
      end
    end
  end
  return picked, nil, {}
end
