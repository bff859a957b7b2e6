-- Sends a delivery again, now. ARGV: 2 subscriber, 3 delivery.
local id, ev = ARGV[2], ARGV[3]
if not live(id) then return { 'not_found' } end
local d = delivery_key(id, ev)
local state = redis.call('HGET', d, 'state')
if not state then return { 'not_found' } end
if state == 'pending' then
  -- One that is under way or waits for an earlier one is going to be sent anyway.
  if redis.call('ZSCORE', due_key(id), ev) then
    redis.call('ZADD', due_key(id), number(now), ev)
    redis.call('HDEL', d, 'next')
  end
else
  redis.call('ZREM', dead_key(id), ev)
  redis.call('LREM', done_key(id), 0, ev)
  redis.call('HDEL', d, 'reason')
  -- Its place among the events of its subject is gone: it goes by itself.
  redis.call('HSET', d, 'state', 'pending', 'n', '0', 'subject', '', 'explicit', '1')
  redis.call('ZADD', all_key(id), number(now), ev)
  redis.call('ZADD', due_key(id), number(now), ev)
end
rework(id)
return { 'ok' }
