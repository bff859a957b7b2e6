-- Ends a job that cannot go on. KEYS: job. ARGV: why.
local state = redis.call('HGET', KEYS[1], 'state')
if state ~= 'queued' and state ~= 'running' then return state or 'gone' end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('HSET', KEYS[1], 'state', 'failed', 'error', ARGV[1], 'ended_at', string.format('%d', now))
redis.call('HINCRBY', KEYS[1], 'version', 1)
return 'failed'
