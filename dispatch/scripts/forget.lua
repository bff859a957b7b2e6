-- Erases a driver who is not reserved or busy. ARGV: 2 driver.
local d = load('driver', ARGV[2])
if not d then return { 'not_found' } end
if d.state == 'reserved' or d.state == 'busy' then
  -- An offer that has lapsed holds nobody.
  local ride = load('ride', d.ride)
  if ride then
    settle(ride)
    wake()
    d = load('driver', ARGV[2])
  end
  if d.state == 'reserved' or d.state == 'busy' then return { 'engaged' } end
end
if d.state == 'available' then go_offline(d, 'deleted') end
redis.call('DEL', P .. ':driver:' .. d.id)
redis.call('ZREM', P .. ':watch', d.id)
redis.call('ZREM', P .. ':moved', d.id)
return { 'ok' }
