-- Settles and reads a driver. ARGV: 2 driver. Answers {'ok', their fields}.
local d = load('driver', ARGV[2])
if not d then return { 'not_found' } end
if d.ride then
  local ride = load('ride', d.ride)
  if ride then settle(ride) end
  wake()
elseif d.state == 'available' and not fresh(d) then
  go_offline(d, 'stale')
end
return { 'ok', redis.call('HGETALL', P .. ':driver:' .. d.id) }
