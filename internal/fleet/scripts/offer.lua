-- Offers the value of a process and answers the one that counts.
-- KEYS[1]: hash of the value. ARGV: 1 mode, 2 generation, 3 reason, 4 set by, 5 set at (Unix ms).
local have = redis.call('HMGET', KEYS[1], 'mode', 'generation', 'reason', 'set_by', 'set_at')
local there, mine = tonumber(have[2] or 0), tonumber(ARGV[2])
if mine > there or (mine == there and mine > 0 and ARGV[4] > have[4]) then
  redis.call('HSET', KEYS[1], 'mode', ARGV[1], 'generation', ARGV[2], 'reason', ARGV[3], 'set_by', ARGV[4], 'set_at', ARGV[5])
  return {ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]}
end
if there == 0 then
  return {}
end
return have
