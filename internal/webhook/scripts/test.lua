-- Sends an event to one subscriber alone. ARGV: 2 subscriber, 3 event, 4 type, 5 data.
local id, ev = ARGV[2], ARGV[3]
if not live(id) then return { 'not_found' } end
if redis.call('EXISTS', delivery_key(id, ev)) == 0 then
  keep_event(ev, ARGV[4], number(now), ARGV[5])
  enqueue(id, ev, '', '1')
  rework(id)
end
return { 'ok' }
