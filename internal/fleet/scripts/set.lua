-- Sets the mode as the next generation, unless another one is there than the caller has seen.
-- KEYS[1]: hash of the value. ARGV: 1 mode, 2 generation that this process knows, 3 reason, 4 set by,
-- 5 set at (Unix ms), 6 generation that the caller has seen, or empty.
-- Answers 1 or 0 for set or not, and the generation that counts.
local there = math.max(tonumber(redis.call('HGET', KEYS[1], 'generation') or 0), tonumber(ARGV[2]))
if ARGV[6] ~= '' and tonumber(ARGV[6]) ~= there then
  return {0, string.format('%.0f', there)}
end
local next = string.format('%.0f', there + 1)
redis.call('HSET', KEYS[1], 'mode', ARGV[1], 'generation', next, 'reason', ARGV[3], 'set_by', ARGV[4], 'set_at', ARGV[5])
return {1, next}
