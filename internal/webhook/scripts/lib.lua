-- Subscribers and their deliveries. Every script of this folder is the shared clock and
-- lease, this file and its own; DESIGN.md has the keys and the argument why nothing is
-- lost.
-- KEYS[1] is the prefix that all keys of events share. ARGV[1] is the configuration.

local P = KEYS[1]
local cfg = cjson.decode(ARGV[1])

local function sub_key(id) return P .. 'sub:' .. id end
local function due_key(id) return P .. 'due:' .. id end
local function all_key(id) return P .. 'all:' .. id end
local function dead_key(id) return P .. 'dead:' .. id end
local function done_key(id) return P .. 'done:' .. id end
local function delivery_key(id, ev) return P .. 'delivery:' .. id .. ':' .. ev end
local function event_key(ev) return P .. 'event:' .. ev end
local function lane_key(id, subject) return P .. 'lane:' .. id .. ':' .. subject end

-- ---- events that deliveries hold on to -------------------------------------

local function keep_event(ev, kind, at, data, trace)
  redis.call('HSET', event_key(ev), 'type', kind, 'at', at, 'data', data)
  if trace then redis.call('HSET', event_key(ev), 'trace', trace) end
end

-- forget erases a delivery, and its event with the last one.
local function forget(id, ev)
  redis.call('DEL', delivery_key(id, ev))
  if redis.call('HINCRBY', event_key(ev), 'refs', -1) <= 0 then redis.call('DEL', event_key(ev)) end
end

-- ---- subscribers -----------------------------------------------------------

-- How many deliveries may be under way at once: an endpoint that answers well gets
-- all, one that fails gets ever fewer, and none gets more than one to begin with.
local function window(health)
  return math.max(1, math.ceil(cfg.window * (tonumber(health) or 0) / 1000))
end

-- rework files a subscriber under the time when there is something to do for it.
local function rework(id)
  local s = redis.call('HMGET', sub_key(id), 'flying', 'health', 'hold', 'state')
  local first = redis.call('ZRANGE', due_key(id), 0, 0, 'WITHSCORES')
  if not s[4] or #first == 0 or tonumber(s[1] or 0) >= window(s[2]) then
    redis.call('ZREM', P .. 'work', id)
  else
    redis.call('ZADD', P .. 'work', number(math.max(tonumber(first[2]), tonumber(s[3] or 0))), id)
  end
end

-- listen has events of the types handed out to a subscriber, those after since.
local function listen(id, since, types)
  redis.call('HSET', P .. 'types', id, since .. ' ' .. types)
  redis.call('ZADD', P .. 'listeners', 0, id)
end

-- drop ends a subscription. What it leaves behind is cleared away bit by bit.
local function drop(id)
  local digest = redis.call('HGET', sub_key(id), 'digest')
  if digest and redis.call('HGET', P .. 'urls', digest) == id then redis.call('HDEL', P .. 'urls', digest) end
  redis.call('DEL', sub_key(id))
  redis.call('ZREM', P .. 'subs', id)
  redis.call('HDEL', P .. 'types', id)
  redis.call('ZREM', P .. 'listeners', id)
  redis.call('ZREM', P .. 'work', id)
  redis.call('SADD', P .. 'gone', id)
end

-- FOREVER is the end of subscriptions that nobody keeps alive: the year 9999, in ms.
local FOREVER = 253402300799000

-- extend lets a subscription live for another ttl, and one of FOREVER go on.
local function extend(id)
  local s = redis.call('HMGET', sub_key(id), 'ttl', 'forever')
  local expires = number(s[2] == '1' and FOREVER or now + tonumber(s[1]))
  redis.call('HSET', sub_key(id), 'kept', number(now), 'expires', expires)
  redis.call('ZADD', P .. 'subs', expires, id)
end

-- live reports whether a subscriber exists, and drops it when its time is over.
local function live(id)
  local expires = redis.call('HGET', sub_key(id), 'expires')
  if not expires then return false end
  if tonumber(expires) > now then return true end
  drop(id)
  return false
end

local function enable(id)
  redis.call('HSET', sub_key(id), 'state', 'active', 'row', '0')
  redis.call('HDEL', sub_key(id), 'reason', 'hold')
end

-- answer returns a subscriber as a script's answer.
local function answer(code, id)
  return { code, id, redis.call('HGETALL', sub_key(id)) }
end

-- ---- deliveries --------------------------------------------------------------

-- advance lets the next delivery of a subject go: they keep their order.
local function advance(id, ev, subject)
  if not subject or subject == '' then return end
  local lane = lane_key(id, subject)
  if redis.call('LINDEX', lane, 0) ~= ev then return end
  redis.call('LPOP', lane)
  local following = redis.call('LINDEX', lane, 0)
  if following then redis.call('ZADD', due_key(id), number(now), following) end
end

-- bury makes a delivery a dead letter.
local function bury(id, ev, reason)
  local d = delivery_key(id, ev)
  redis.call('HSET', d, 'state', 'dead', 'reason', reason)
  redis.call('HDEL', d, 'next')
  redis.call('ZREM', all_key(id), ev)
  redis.call('ZREM', due_key(id), ev)
  redis.call('ZADD', dead_key(id), number(now), ev)
  redis.call('HINCRBY', sub_key(id), 'dead', 1)
  advance(id, ev, redis.call('HGET', d, 'subject'))
  local old = redis.call('ZRANGEBYSCORE', dead_key(id), '-inf', number(now - cfg.dead_life), 'LIMIT', 0, 10)
  if #old == 0 and redis.call('ZCARD', dead_key(id)) > cfg.backlog then
    old = redis.call('ZRANGE', dead_key(id), 0, 0)
  end
  for _, gone in ipairs(old) do
    redis.call('ZREM', dead_key(id), gone)
    forget(id, gone)
  end
end

-- enqueue adds a delivery. With a subject it waits for the earlier ones of it.
local function enqueue(id, ev, subject, explicit)
  redis.call('HINCRBY', event_key(ev), 'refs', 1)
  redis.call('HSET', delivery_key(id, ev), 'state', 'pending', 'n', '0', 'at', number(now), 'subject', subject, 'explicit', explicit)
  if redis.call('ZCARD', all_key(id)) >= cfg.backlog then return bury(id, ev, 'backlog') end
  redis.call('ZADD', all_key(id), number(now), ev)
  if subject ~= '' and redis.call('RPUSH', lane_key(id, subject), ev) > 1 then return end
  redis.call('ZADD', due_key(id), number(now), ev)
end
