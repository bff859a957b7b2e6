-- Reads the nearest available drivers. ARGV: 2 lng, 3 lat, 4 radius in metres,
-- 5 vehicle, 6 tags, 7 limit, 8 where to go on or ''. Answers {'ok', {id, lat, lng,
-- metres, seen, …}, where to go on or ''}: until that is '', more may be nearer.
local out = {}
local found, more, ahead = search_drivers({
  lng = ARGV[2], lat = ARGV[3], radius = tonumber(ARGV[4]), vehicle = ARGV[5], tags = ARGV[6],
  want = tonumber(ARGV[7]), from = ARGV[8], judge = function(id) return candidate(id, ARGV[5], ARGV[6]) end,
})
for _, list in ipairs({ found, ahead }) do
  for _, hit in ipairs(list) do
    local d = hit[1]
    for _, v in ipairs({ d.id, d.lat, d.lng, hit[2], d.seen }) do out[#out + 1] = v end
  end
end
return { 'ok', out, more or '' }
