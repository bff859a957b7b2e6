-- Takes drivers who were not heard of off the map, and forgets those who were silent
-- for long. ARGV: 2 how many. Answers {'ok', how many were looked at, ms until the next
-- one or -1, {driver forgotten, turn of that, …}}, with turns where there are several regions.
local looked, forgotten = 0, {}
local due = redis.call('ZRANGEBYSCORE', P .. ':watch', '-inf', number(now), 'LIMIT', 0, ARGV[2])
for _, id in ipairs(due) do
  if exhausted() then break end
  looked = looked + 1
  local d = load('driver', id)
  if not d then
    -- Lost data. Other indexes may hold them still: candidates are read from the hash.
    redis.call('ZREM', P .. ':watch', id)
    redis.call('ZREM', P .. ':avail', id)
    redis.call('ZREM', P .. ':moved', id)
  elseif d.state == 'offline' then
    local turn = d.turn and number(tonumber(d.turn) + 1) or ''
    erase(id, turn)
    forgotten[#forgotten + 1] = id
    forgotten[#forgotten + 1] = turn
  elseif d.state ~= 'available' then
    redis.call('ZREM', P .. ':watch', id)
  elseif fresh(d) then
    watch(id, tonumber(d.seen) + cfg.driver_ttl)
  else
    go_offline(d, 'stale')
  end
end
local first = redis.call('ZRANGE', P .. ':watch', 0, 0, 'WITHSCORES')
local wait = -1
if first[2] then wait = math.max(0, tonumber(first[2]) - now) end
return { 'ok', looked, wait, forgotten }
