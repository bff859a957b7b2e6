-- Leave to make one call to a provider, for the whole fleet. The rules are
-- those of localGate in gate.go. Times are microseconds of Redis's own clock.
--
-- KEYS  1 hash: tat, bulk_tat, people, bulk, pause; row: calls of people since
--         the last of bulk
--       2 sorted set of running calls: token, when its lease lapses
-- ARGV  1 lane (0 people, 1 bulk, 2 refresh)  2 token  3 interval  4 burst
--       5 concurrency (0: no bound)  6 interval of bulk  7 lease
--       8 pause between asking for a free place  9 grace of a waiter
--       10 calls of people in a row while bulk waits
-- Returns {0 granted, 1 ask again, 2 sent away; wait; how far tat is ahead}.

local lane = tonumber(ARGV[1])
local interval, burst = tonumber(ARGV[3]), tonumber(ARGV[4])
local concurrency, bulk_interval = tonumber(ARGV[5]), tonumber(ARGV[6])
local lease, poll, grace = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local most_in_a_row = tonumber(ARGV[10])

local clock = redis.call('TIME')
local now = tonumber(clock[1]) * 1000000 + tonumber(clock[2])

local state = redis.call('HMGET', KEYS[1], 'tat', 'bulk_tat', 'people', 'bulk', 'pause', 'row')
local tat, bulk_tat = tonumber(state[1] or 0), tonumber(state[2] or 0)
local people, bulk, pause = tonumber(state[3] or 0), tonumber(state[4] or 0), tonumber(state[5] or 0)
local row = tonumber(state[6] or 0)

-- Lua would write large numbers with an exponent.
local function whole(n) return string.format('%.0f', n) end

-- keep stores a field and lets the hash live until nothing in it matters.
local function keep(field, value)
  redis.call('HSET', KEYS[1], field, whole(value))
  local last = math.max(tat, bulk_tat, people, bulk, pause, value)
  redis.call('PEXPIRE', KEYS[1], whole(math.ceil((last - now) / 1000) + 60000))
end

-- Repeated by the client after a lost answer: the call is granted already.
if redis.call('ZSCORE', KEYS[2], ARGV[2]) then return {0, 0, math.max(tat - now, 0)} end

if pause > now then return {2, pause - now, math.max(tat - now, 0)} end

redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', whole(now))
local wait = tat - (burst - 1) * interval - now
if concurrency > 0 and redis.call('ZCARD', KEYS[2]) >= concurrency then
  wait = math.max(wait, poll)
end
local people_wait = people > now
if lane == 0 then
  if concurrency > 0 and row >= most_in_a_row and bulk > now then wait = math.max(wait, poll) end
elseif lane == 1 then
  if people_wait or bulk_interval > 0 then wait = math.max(wait, bulk_tat - now) end
  if people_wait and concurrency > 0 and row == 0 then wait = math.max(wait, poll) end
elseif lane == 2 and (people_wait or bulk > now) then
  wait = math.max(wait, interval, poll)
end

if wait > 0 then
  if lane == 0 then keep('people', now + wait + grace) end
  if lane == 1 then keep('bulk', now + wait + grace) end
  return {1, wait, math.max(tat - now, 0)}
end

tat = math.max(tat, now) + interval
keep('tat', tat)
if lane == 0 and concurrency > 0 then redis.call('HINCRBY', KEYS[1], 'row', 1) end
if lane == 1 then
  redis.call('HDEL', KEYS[1], 'row')
  keep('bulk_tat', now + math.max(2 * interval, bulk_interval))
end
redis.call('ZADD', KEYS[2], whole(now + lease), ARGV[2])
redis.call('PEXPIRE', KEYS[2], whole(math.ceil(lease / 1000) + 60000))
return {0, 0, tat - now}
