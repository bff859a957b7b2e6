-- Ends a job that cannot go on. KEYS: job. ARGV: why.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return state or 'gone' end
redis.call('HSET', KEYS[1], 'state', 'failed', 'error', ARGV[1], 'ended_at', number(now))
redis.call('HINCRBY', KEYS[1], 'version', 1)
return 'failed'
