-- Leases the next chunk of a job: one whose lease has lapsed, else one that is
-- not started. KEYS: job, leases, owners, chunks, answers. ARGV: token, lease in
-- ms, life in ms. Answers {verdict, time in µs, chunk, what is stored of it}.
local state = redis.call('HGET', KEYS[1], 'state')
local micros = clock[1] * 1000000 + clock[2]
if not state then return { 'gone', micros } end
if state ~= 'queued' and state ~= 'running' then return { 'over', micros } end

-- A job that waits for its turn is alive.
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end

local n = leases_lapsed(KEYS[2], 1)[1]
if not n then
  local next = tonumber(redis.call('HGET', KEYS[1], 'next'))
  if next >= tonumber(redis.call('HGET', KEYS[1], 'chunks')) then return { 'none', micros } end
  redis.call('HINCRBY', KEYS[1], 'next', 1)
  n = tostring(next)
end
leases_take(KEYS[2], n, ARGV[2])
redis.call('HSET', KEYS[3], n, ARGV[1])
if state == 'queued' then
  redis.call('HSET', KEYS[1], 'state', 'running', 'started_at', number(now))
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[3]) end
return { 'chunk', micros, n, redis.call('HGET', KEYS[4], n) or '' }
