-- Takes a driver off shift or back on. ARGV: 2 driver, 3 'on' or 'off'.
-- Off shift, an available driver goes offline at once, one who was asked declines, and one with
-- a ride goes offline when it ends. On shift, whoever was heard of lately is available.
-- Answers {'ok', their fields} or {'not_found'}.
local key = P .. ':driver:' .. ARGV[2]
local d = load('driver', ARGV[2])
if not d then return { 'not_found' } end
local ride = d.ride and load('ride', d.ride)
if ride then
  settle(ride)
  d = load('driver', ARGV[2])
end
local off = ARGV[3] == 'off' and '1' or nil
if d.off ~= off then
  d.off = off
  if off then
    redis.call('HSET', key, 'off', off)
  else
    redis.call('HDEL', key, 'off')
  end
  redis.call('PUBLISH', cfg.channel, 'driver ' .. P .. ' ' .. d.id)
end
if off and d.state == 'available' then
  go_offline(d, 'off_shift')
elseif off and d.state == 'reserved' then
  matching().decline(load('ride', d.ride))
elseif not off and d.state == 'offline' and not d.moving and fresh(d) and room_for_another() and not backlogged() then
  event({ 'type', 'driver.available', 'driver', d.id, 'at', number(now) })
  go_available(d)
elseif d.state == 'offline' then
  watch(d.id, now + remembered(d))
end
wake()
return { 'ok', redis.call('HGETALL', key) }
