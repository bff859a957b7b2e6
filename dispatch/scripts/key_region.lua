-- Tells which region an idempotency key belongs to: the one that used it first. It stands
-- alone, behind the shared clock: KEYS[1] belongs to no region. ARGV: 1 the region that
-- uses it, 2 ms until the record lapses. Answers {record, region, turn, turn of a move}.
local record = redis.call('GET', KEYS[1]) or ARGV[1] .. ' ' .. number(now)
local region, turn = string.match(record, '^(%S+) (%d+)$')
redis.call('SET', KEYS[1], record, 'PX', number(math.max(ARGV[2], redis.call('PTTL', KEYS[1]))))
return { record, region, turn, number(math.max(now, turn + 1)) }
