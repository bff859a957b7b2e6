-- Leases due rides to a worker. ARGV: 2 worker, 3 lease in ms, 4 how many.
-- Answers {'ok', rides, ms until the next one is due or -1}.
local ids = leases_lapsed(P .. ':due', ARGV[4])
for _, id in ipairs(ids) do
  leases_take(P .. ':due', id, ARGV[3])
  -- A ride whose data was lost must not come back as an empty one.
  if redis.call('EXISTS', P .. ':ride:' .. id) == 1 then
    redis.call('HSET', P .. ':ride:' .. id, 'worker', ARGV[2])
  end
end
local first = redis.call('ZRANGE', P .. ':due', 0, 0, 'WITHSCORES')
local wait = -1
if first[2] then wait = math.max(0, tonumber(first[2]) - now) end
return { 'ok', ids, wait }
