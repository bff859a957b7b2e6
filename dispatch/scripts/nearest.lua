-- Reads the nearest available drivers. ARGV: 2 lng, 3 lat, 4 radius in metres,
-- 5 vehicle, 6 tags, 7 limit, 8 where to go on or ''. Answers {'ok', drivers, where to go on
-- or ''}: until that is '', more may be nearer. Of each driver there are five lines: id, lat,
-- lng, metres, seen.
local vehicle, tags = ARGV[5], ARGV[6]
local fields = vehicle == '' and tags == '' and shown or nil
spend(tried)
local found, more, ahead = search_drivers({
  lng = ARGV[2], lat = ARGV[3], radius = tonumber(ARGV[4]), vehicle = vehicle, tags = tags,
  want = tonumber(ARGV[7]), from = ARGV[8], judge = function(id) return candidate(id, vehicle, tags, fields) end,
})
local out, n = {}, 0
for _, list in ipairs({ found, ahead }) do
  for _, hit in ipairs(list) do
    local d = hit[1]
    out[n + 1], out[n + 2], out[n + 3], out[n + 4], out[n + 5] = d.id, d.lat, d.lng, hit[2], d.seen
    n = n + 5
  end
end
return { 'ok', table.concat(out, '\n'), more or '' }
