-- Frees drivers that are held without a live ride, and files live rides that fell
-- out of the due set. No script leaves such a thing behind; a restored or evicted
-- data set can. ARGV: 2 how many, 3 ms since the last look.
-- Answers {'ok', 1 if there may be more drivers to look at, drivers freed, rides filed}.
local before = number(now - tonumber(ARGV[3]))
local ids = redis.call('ZRANGEBYSCORE', P .. ':engaged', '-inf', before, 'LIMIT', 0, ARGV[2])
local repaired, filed = 0, 0
local looked = 0
for _, id in ipairs(ids) do
  if exhausted() then break end
  looked = looked + 1
  redis.call('ZADD', P .. ':engaged', number(now), id)
  local d = load('driver', id)
  if not d or (d.state ~= 'reserved' and d.state ~= 'busy') then
    redis.call('ZREM', P .. ':engaged', id)
  else
    local ride = load('ride', d.ride or '')
    if not ride or ride.driver ~= id or not (ride.state == 'offered' or under_way(ride)) then
      event({ 'type', 'driver.released', 'driver', id, 'ride', d.ride or '', 'at', number(now), 'reason', 'leak' })
      let_go(d)
      repaired = repaired + 1
    elseif not redis.call('ZSCORE', P .. ':due', ride.id) then
      schedule(ride)
      filed = filed + 1
    end
  end
end
for _, id in ipairs(redis.call('ZRANGE', P .. ':waiting', 0, tonumber(ARGV[2]) - 1)) do
  if exhausted() then break end
  local ride = load('ride', id)
  if not ride or ride.state ~= 'searching' then
    redis.call('ZREM', P .. ':waiting', id)
  elseif not redis.call('ZSCORE', P .. ':due', id) then
    schedule(ride)
    filed = filed + 1
  end
end
wake()
local more = (looked < #ids or #ids == tonumber(ARGV[2])) and 1 or 0
return { 'ok', more, repaired, filed }
