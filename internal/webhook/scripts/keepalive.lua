-- Extends a subscription by its ttl. ARGV: 2 id.
local id = ARGV[2]
if not live(id) then return { 'not_found' } end
local expires = number(now + tonumber(redis.call('HGET', sub_key(id), 'ttl')))
redis.call('HSET', sub_key(id), 'kept', number(now), 'expires', expires)
redis.call('ZADD', P .. 'subs', expires, id)
return answer('ok', id)
