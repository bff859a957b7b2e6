-- Gives a subscriber a new secret; the ones before it sign too for a while. Repeating it
-- with the same new secret changes nothing.
-- ARGV: 2 id, 3 new secret, 4 for how many ms, 5 how many old ones sign at most.
-- 'old' and 'old_until' hold the one before; 'older' those before that, as
-- "secret until secret until", the newest first.
local id, new = ARGV[2], ARGV[3]
if not live(id) then return { 'not_found' } end
local s = redis.call('HMGET', sub_key(id), 'secret', 'old', 'old_until', 'older')
if s[1] == new or s[2] == new or string.find(' ' .. (s[4] or '') .. ' ', ' ' .. new .. ' ', 1, true) then
  return answer('ok', id)
end
local older = {}
for secret, till in string.gmatch((s[2] and s[2] .. ' ' .. s[3] or '') .. ' ' .. (s[4] or ''), '(%S+) (%S+)') do
  if tonumber(till) > now and #older < tonumber(ARGV[5]) - 1 then older[#older + 1] = secret .. ' ' .. till end
end
redis.call('HSET', sub_key(id), 'older', table.concat(older, ' '), 'old', s[1],
  'old_until', number(now + tonumber(ARGV[4])), 'secret', new)
return answer('ok', id)
