-- Reads the nearest available drivers. ARGV: 2 lng, 3 lat, 4 radii as JSON,
-- 5 vehicle, 6 tags, 7 limit. Answers {'ok', {id, lat, lng, metres, seen, …}}.
local out = {}
local found = search(ARGV[2], ARGV[3], cjson.decode(ARGV[4]), ARGV[5], ARGV[6], tonumber(ARGV[7]),
  function(id) return candidate(id, ARGV[5], ARGV[6]) end)
for _, hit in ipairs(found) do
  local d = hit[1]
  for _, v in ipairs({ d.id, d.lat, d.lng, hit[2], d.seen }) do out[#out + 1] = v end
end
return { 'ok', out }
