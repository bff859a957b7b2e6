-- Creates a subscriber, or renews the one with the same URL.
-- ARGV: 2 id if new, 3 URL, 4 its digest, 5 types ('' to keep), 6 secret if new,
--       7 ttl in ms ('' to keep), 8 default ttl, 9 subscribers at most,
--       10 '1' to live for ever, '0' to need keepalives, '' to keep.
local id = redis.call('HGET', P .. 'urls', ARGV[4])
local code = 'renewed'
if not id or not live(id) then
  if redis.call('ZCARD', P .. 'subs') >= tonumber(ARGV[9]) then return { 'full' } end
  id, code = ARGV[2], 'created'
  redis.call('HSET', P .. 'urls', ARGV[4], id)
  -- It is told of what comes after the event that is the newest now.
  local newest = redis.call('XREVRANGE', P .. 'stream', '+', '-', 'COUNT', 1)
  redis.call('HSET', sub_key(id), 'url', ARGV[3], 'digest', ARGV[4], 'types', '*', 'secret', ARGV[6],
    'created', number(now), 'since', newest[1] and newest[1][1] or '0-0', 'ttl', ARGV[8], 'health', '0', 'flying', '0', 'state', 'active')
end
if ARGV[5] ~= '' then redis.call('HSET', sub_key(id), 'types', ARGV[5]) end
if ARGV[7] ~= '' then redis.call('HSET', sub_key(id), 'ttl', ARGV[7]) end
if ARGV[10] ~= '' then redis.call('HSET', sub_key(id), 'forever', ARGV[10]) end
extend(id)
local s = redis.call('HMGET', sub_key(id), 'types', 'since')
listen(id, s[2], s[1])
enable(id) -- whoever registers says that the endpoint is well
rework(id)
return answer(code, id)
