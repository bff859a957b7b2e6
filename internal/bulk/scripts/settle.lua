-- Settles charges. ARGV: a job and its life in ms by turns. What has no life any more is
-- charged no longer, once; the rest lapses when its life ends.
for i = 1, #ARGV, 2 do
  local id, life = ARGV[i], tonumber(ARGV[i + 1])
  local bytes, client = charge_of(id)
  if bytes and life > 0 then
    redis.call('ZADD', KEYS[1], number(now + life), id)
  elseif bytes then
    grow_both(client, -1, -bytes)
    redis.call('HDEL', KEYS[2], id)
    redis.call('ZREM', KEYS[1], id)
  end
end
return 'settled'
