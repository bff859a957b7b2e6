-- Erases a driver who is not reserved or busy. ARGV: 2 driver, 3 turn of that, or '' where this
-- is not their home or there is only one region. Answers {'ok'}, {'not_found'}, {'engaged'}, or
-- {'moved'}: they have come back since the caller looked.
local d = load('driver', ARGV[2])
if d and (d.state == 'reserved' or d.state == 'busy') then
  -- An offer that has lapsed holds nobody.
  local ride = load('ride', d.ride)
  if ride then
    settle(ride)
    wake()
    d = load('driver', ARGV[2])
  end
  if d.state == 'reserved' or d.state == 'busy' then return { 'engaged' } end
end
if ARGV[3] ~= '' then
  local turn = redis.call('HGET', P .. ':driver:' .. ARGV[2], 'turn')
  if turn and tonumber(turn) > tonumber(ARGV[3]) then return { 'moved' } end
end
if d and d.state == 'available' then go_offline(d, 'deleted') end
if d or ARGV[3] ~= '' then erase(ARGV[2], ARGV[3]) end
return { d and 'ok' or 'not_found' }
