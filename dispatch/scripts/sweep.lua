-- Takes drivers who were not heard of off the map, forgets those who were silent for long, and
-- takes ended rides that are no longer kept out of the lists. ARGV: 2 how many of each. Answers {'ok', how many were looked at, ms until the next
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
    enlist({ id = id })
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
for _, entry in ipairs(redis.call('ZRANGEBYSCORE', P .. ':ended', '-inf', number(now), 'LIMIT', 0, ARGV[2])) do
  if exhausted() then break end
  unlist(string.match(entry, '^(.*)\n(.*)\n(.*)$'))
  redis.call('ZREM', P .. ':ended', entry)
end
local wait = -1
for _, key in ipairs({ P .. ':watch', P .. ':ended' }) do
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if first[2] and (wait < 0 or tonumber(first[2]) - now < wait) then wait = math.max(0, tonumber(first[2]) - now) end
end
return { 'ok', looked, wait, forgotten }
