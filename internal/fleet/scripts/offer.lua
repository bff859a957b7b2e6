-- Replaces the value, unless it is another one than the process has read.
-- KEYS[1]: hash of the value. ARGV: 1 to 5 the new fields, 6 to 10 those that were read
-- (empty: there was none), each as mode, generation, reason, set by, set at (Unix ms).
-- Answers the fields that are there now.
local have = redis.call('HMGET', KEYS[1], 'mode', 'generation', 'reason', 'set_by', 'set_at')
for i = 1, 5 do
  if (have[i] or '') ~= ARGV[5 + i] then
    return have
  end
end
redis.call('HSET', KEYS[1], 'mode', ARGV[1], 'generation', ARGV[2], 'reason', ARGV[3], 'set_by', ARGV[4], 'set_at', ARGV[5])
return {ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]}
