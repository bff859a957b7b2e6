-- Gives a subscriber a new secret; the old one signs too for a while.
-- ARGV: 2 id, 3 new secret, 4 for how many ms.
local id = ARGV[2]
if not live(id) then return { 'not_found' } end
redis.call('HSET', sub_key(id), 'old', redis.call('HGET', sub_key(id), 'secret'),
  'old_until', number(now + tonumber(ARGV[4])), 'secret', ARGV[3])
return answer('ok', id)
