-- Takes drivers who were not heard of off the map. ARGV: 2 how many.
-- Answers {'ok', how many were looked at, how many went}.
local due = redis.call('ZRANGEBYSCORE', P .. ':watch', '-inf', number(now), 'LIMIT', 0, ARGV[2])
local gone = 0
for _, id in ipairs(due) do
  local d = load('driver', id)
  if not d then
    -- Lost data. Other indexes may hold them still: candidates are read from the hash.
    redis.call('ZREM', P .. ':watch', id)
    redis.call('ZREM', P .. ':avail', id)
  elseif d.state ~= 'available' then
    redis.call('ZREM', P .. ':watch', id)
  elseif fresh(d) then
    redis.call('ZADD', P .. ':watch', number(tonumber(d.seen) + cfg.driver_ttl), id)
  else
    go_offline(d, 'stale')
    gone = gone + 1
  end
end
return { 'ok', #due, gone }
