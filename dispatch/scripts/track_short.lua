-- The short way of positions, for the many: whoever is on duty and reports one position, of
-- now, that changes nothing but where they are. It costs two commands for a driver and a few
-- for all of them. Everybody else goes the long way, in track.lua: that knows the rules, and
-- what it needs is loaded for them only.
--
-- ARGV: 1 configuration, 2 '1' if the last driver has more to come in another call, 3 how
-- many values of each position follow, 4 how old in ms and 5 how far ahead its ts may be here;
-- then the positions, those of one driver in a row: id, lat, lng, ts in ms, how they move:
-- "heading,speed,accuracy", each of them or all '', the turn of their home, 'away' for a
-- report from another region or '' where there is only one, vehicle and tags, each '' for
-- unchanged, '=' and the value, or '?' and the value for a driver who is not known here; then
-- of a driver who is not known here '1' if they are off shift, and when they first reported in ms.
-- Values may be '', and those that are in all positions are left out at their end.
local first, width = 6, tonumber(ARGV[3])
local long = {} -- where in ARGV the positions of each driver begin who goes the long way
local later = {} -- index of the first position of each driver whom this script does not get to

local function index_of(i) return (i - first) / width end

do
  local P, argv, last = KEYS[1], ARGV, #ARGV
  local oldest, newest, seen = now - tonumber(argv[4]), now + tonumber(argv[5]), number(now)
  local moved, places = {}, {} -- what ZADD and GEOADD are given, the latter by index
  -- An entry of an index costs about 1 µs, and a driver with sixteen tags has eighteen.
  local entries, most_entries = 0, 1200

  local function place(key, lat, lng, id)
    local list = places[key]
    if not list then
      list = {}
      places[key] = list
    end
    local n = #list
    list[n + 1], list[n + 2], list[n + 3] = lng, lat, id
    entries = entries + 1
  end

  local function unchanged(said, was)
    return said == '' or string.sub(said, 1, 1) == '?' or said == '=' .. was
  end

  -- plain reports whether the position at i may be stored the short way; h is what is known of
  -- its driver.
  local function plain(i, h)
    local ts, turn = width > 3 and argv[i + 3] or '', width > 5 and argv[i + 5] or ''
    if not (h[1] and h[3] and h[4]) or h[1] == 'offline' or h[1] == 'gone' then return false end
    if turn ~= '' and (turn ~= h[5] or h[6]) then return false end
    if width > 6 and not (unchanged(argv[i + 6], h[3]) and unchanged(argv[i + 7] or '', h[4])) then return false end
    if ts == '' then return true end
    ts = tonumber(ts)
    return ts >= oldest and ts <= newest and (not h[2] or ts >= tonumber(h[2]))
  end

  local i = first
  while i <= last do
    local id = argv[i]
    local key = P .. ':driver:' .. id
    if argv[i + width] == id then
      long[#long + 1] = i
      repeat i = i + width until argv[i + width] ~= id
    elseif entries >= most_entries then
      later[#later + 1] = index_of(i)
    else
      local h = redis.call('HMGET', key, 'state', 'ts', 'vehicle', 'tags', 'turn', 'moving')
      local short = plain(i, h)
      if short and h[1] ~= 'available' then short = redis.call('HEXISTS', key, 'heard') == 0 end
      if short then
        local lat, lng, ts, motion = argv[i + 1], argv[i + 2], '', ''
        if width > 3 then ts = argv[i + 3] end
        if width > 4 then motion = argv[i + 4] end
        if ts == '' then
          redis.call('HSET', key, 'lat', lat, 'lng', lng, 'seen', seen, 'motion', motion)
        else
          redis.call('HSET', key, 'lat', lat, 'lng', lng, 'seen', seen, 'motion', motion, 'ts', ts)
        end
        local n = #moved
        moved[n + 1], moved[n + 2] = seen, id
        entries = entries + 1
        if h[1] == 'available' then
          place(P .. ':avail', lat, lng, id)
          if h[3] ~= '' then place(P .. ':avail:v:' .. h[3], lat, lng, id) end
          if h[4] ~= '' then
            for tag in string.gmatch(h[4], '[^\n]+') do place(P .. ':avail:t:' .. tag, lat, lng, id) end
          end
        end
      else
        long[#long + 1] = i
      end
    end
    i = i + width
  end
  if #moved > 0 then redis.call('ZADD', P .. ':moved', unpack(moved)) end
  for key, list in pairs(places) do redis.call('GEOADD', key, unpack(list)) end
end
if #long == 0 then return { 'ok', {}, {}, later } end
