-- Holds answers for a job, unless it is gone. KEYS: job, answers. ARGV: life in ms, then
-- the digests of questions and their answers by turns. Answers 1 when they are held.
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
redis.call('HSET', KEYS[2], unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[2], ARGV[1])
return 1
