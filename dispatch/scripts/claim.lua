-- Leases due rides to a worker. ARGV: 2 worker, 3 lease in ms, 4 how many, 5 the call:
-- one whose answer was lost is repeated and gets the same rides.
-- Answers {'ok', rides, ms until the next one is due or -1}.
local claimed = P .. ':claimed:' .. ARGV[2]
local ids = {}
local last = redis.call('LRANGE', claimed, 0, -1)
if last[1] == ARGV[5] then
  for i = 2, #last do ids[i - 1] = last[i] end
else
  ids = leases_lapsed(P .. ':due', ARGV[4])
  for _, id in ipairs(ids) do
    leases_take(P .. ':due', id, ARGV[3])
    -- A ride whose data was lost must not come back as an empty one.
    if redis.call('EXISTS', P .. ':ride:' .. id) == 1 then
      redis.call('HSET', P .. ':ride:' .. id, 'worker', ARGV[2])
    end
  end
  if #ids > 0 then
    redis.call('DEL', claimed)
    redis.call('RPUSH', claimed, ARGV[5], unpack(ids))
    redis.call('PEXPIRE', claimed, ARGV[3])
  end
end
local first = redis.call('ZRANGE', P .. ':due', 0, 0, 'WITHSCORES')
local wait = -1
if first[2] then wait = math.max(0, tonumber(first[2]) - now) end
return { 'ok', ids, wait }
