-- The short way of a search, where the process knows how far the ones before it had to look
-- around here: they are looked for in a circle of that size at once. Like track_short it needs
-- nothing of what other scripts stand on. When the circle does not do, the long way goes on
-- behind it.
--
-- ARGV, as nearest has it; then 9 the radius of the circle, in metres, or '' if nothing is
-- known, 10 the area, in square metres, of the squares in which GEOSEARCH measures members for
-- that, and the first and last score of each span of the index that they are. Tags go the long
-- way. To the built-in Redis all ways are the same.
local tried = 0 -- the effort of this way, in the units of ground.lua
if ARGV[9] ~= '' and not rawget(_G, '_GOPHER_LUA_VERSION') then
  local argv, vehicle = ARGV, ARGV[5]
  local key = KEYS[1] .. ':avail' .. (vehicle ~= '' and ':v:' .. vehicle or '')
  local crowd = 0
  for i = 11, #argv, 2 do
    crowd, tried = crowd + redis.call('ZCOUNT', key, argv[i], argv[i + 1]), tried + 1
  end
  -- As many as search.lua lets GEOSEARCH measure, in some 250 µs.
  if crowd <= 2000 then
    local want, driver, oldest = tonumber(argv[7]), KEYS[1] .. ':driver:', now - cjson.decode(argv[1]).driver_ttl
    local some = want + 2 -- one or the other may have fallen silent
    local widest = tonumber(argv[9])
    -- Where so many stand, a smaller circle mostly does. Chance puts three times the root more or
    -- fewer into it.
    local radius = math.min(widest, math.sqrt(argv[10] / math.pi * (want + 3 * math.sqrt(want) + 1) / crowd))
    while true do
      local hits = redis.call('GEOSEARCH', key, 'FROMLONLAT', argv[2], argv[3], 'BYRADIUS', radius, 'm',
        'ASC', 'COUNT', some, 'WITHDIST')
      tried = tried + 10 + math.floor(crowd / 25)
      local out, n = {}, 0
      if #hits >= want or radius == widest then
        for i = 1, #hits do
          local id = hits[i][1]
          tried = tried + 1
          local h = redis.call('HMGET', driver .. id, 'state', 'seen', 'lat', 'lng', 'vehicle')
          if h[1] == 'available' and tonumber(h[2]) > oldest and (vehicle == '' or h[5] == vehicle) then
            out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = id, h[3], h[4], hits[i][2], h[2]
            n = n + 5
            if n == 5 * want then break end
          end
        end
      end
      local all = argv[9] == argv[4] and radius == widest and #hits < some
      if all or n == 5 * want then return { 'ok', table.concat(out, '\n'), '' } end
      if radius == widest then break end
      radius = widest
    end
  end
end
