-- Adds to the use of keys. KEYS: the last writing of this process, then the use of
-- each key. ARGV: number of the writing, today, the newest day to forget (both in
-- days since 1970), then for each key: requests, cache hits, upstream calls, last
-- used (Unix ms). A writing that is repeated because its reply was lost changes
-- nothing.
if tonumber(redis.call('GET', KEYS[1]) or '0') >= tonumber(ARGV[1]) then return 'known' end
redis.call('SET', KEYS[1], ARGV[1], 'PX', 3600000)
for i = 2, #KEYS do
  local at = 4 + (i - 2) * 4
  if redis.call('HEXISTS', KEYS[i], ARGV[2] .. ':r') == 0 then
    for _, letter in ipairs({ 'r', 'h', 'u' }) do redis.call('HDEL', KEYS[i], ARGV[3] .. ':' .. letter) end
  end
  for j, letter in ipairs({ 'r', 'h', 'u' }) do
    redis.call('HINCRBY', KEYS[i], ARGV[2] .. ':' .. letter, ARGV[at + j - 1])
  end
  if ARGV[at + 3] ~= '0' then redis.call('HSET', KEYS[i], 'last', ARGV[at + 3]) end
  redis.call('EXPIRE', KEYS[i], 2764800)
end
return 'ok'
