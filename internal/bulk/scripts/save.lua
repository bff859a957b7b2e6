-- Notes what a worker has of its chunk and renews the lease, ends it, or gives
-- the chunk back. The same call may be repeated. KEYS: job, leases, owners,
-- chunks, answers. ARGV: chunk, token, lease in ms, life in ms, 'renew',
-- 'finish' or 'release', record; an empty record leaves the old one. A record is
-- '<done> <found> <empty> <invalid> <failed> <hits> ' and what only workers read.
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'gone' end
local n, act, record = ARGV[1], ARGV[5], ARGV[6]
if redis.call('HGET', KEYS[3], n) ~= ARGV[2] then return 'lost' end
local old = redis.call('HGET', KEYS[4], n) or ''
if state == 'finished' and act == 'finish' and record == old then return state end
if state ~= 'running' then return 'over' end

if record ~= '' and record ~= old then
  local before = {}
  for number in string.gmatch(old, '(%d+) ') do before[#before + 1] = tonumber(number) end
  local i = 0
  local names = { 'done', 'found', 'empty', 'invalid', 'failed', 'hits' }
  for number in string.gmatch(record, '(%d+) ') do
    i = i + 1
    if not names[i] then break end
    local grown = tonumber(number) - (before[i] or 0)
    if grown ~= 0 then redis.call('HINCRBY', KEYS[1], names[i], grown) end
  end
  redis.call('HSET', KEYS[4], n, record)
  redis.call('HINCRBY', KEYS[1], 'version', 1)
end

if act == 'finish' then
  if redis.call('ZREM', KEYS[2], n) == 1 then
    local finished = redis.call('HINCRBY', KEYS[1], 'finished', 1)
    if finished == tonumber(redis.call('HGET', KEYS[1], 'chunks')) then
      redis.call('HSET', KEYS[1], 'state', 'finished', 'ended_at', number(now))
      redis.call('HINCRBY', KEYS[1], 'version', 1)
      redis.call('DEL', KEYS[5])
    end
  end
elseif act == 'release' then
  leases_return(KEYS[2], n)
  redis.call('HSET', KEYS[3], n, '')
else
  leases_renew(KEYS[2], n, ARGV[3])
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, ARGV[4]) end
return redis.call('HGET', KEYS[1], 'state')
