-- One turn of a worker: settles what it sent, hands new events out to subscribers,
-- clears up, and gives the worker new deliveries to send. All in one step, so that an
-- event is either not yet handed out or with every subscriber, and a delivery is
-- either due, with a live worker, or settled.
-- ARGV: 2 worker, 3 number of this turn, 4 the last turn whose answer the worker got,
--       5 how many deliveries it can take, 6 results as JSON, 7 '1' for its last turn.
-- Answers {'ok', 1 if there is more to do now, ms until there is something to do or
-- -1, deliveries}.

local worker, turn, acked = ARGV[2], ARGV[3], tonumber(ARGV[4])
local capacity, leaving = tonumber(ARGV[5]), ARGV[7] == '1'
local more = 0
local touched = {} -- subscribers to be filed anew before deliveries are claimed

local function fly_key(w) return P .. 'fly:' .. w end

local function split(flight) return string.match(flight, '^(%S+) (%S+)$') end

-- give_back makes a delivery that was under way due again.
local function give_back(flight)
  local id, ev = split(flight)
  if redis.call('EXISTS', sub_key(id)) == 0 then return end
  redis.call('HINCRBY', sub_key(id), 'flying', -1)
  redis.call('ZADD', due_key(id), number(now), ev)
  touched[id] = true
end

-- ---- settle ------------------------------------------------------------------

local function succeeded(id, ev, d)
  local s = redis.call('HMGET', sub_key(id), 'health', 'state')
  local health = tonumber(s[1])
  redis.call('HSET', sub_key(id), 'health', number(health + math.ceil((1000 - health) / 4)), 'row', '0', 'last_success', number(now))
  redis.call('HINCRBY', sub_key(id), 'delivered', 1)
  if s[2] == 'disabled' then enable(id) end
  redis.call('HSET', d, 'state', 'delivered')
  redis.call('HDEL', d, 'next', 'reason')
  redis.call('ZREM', all_key(id), ev)
  redis.call('LPUSH', done_key(id), ev)
  if redis.call('LLEN', done_key(id)) > cfg.history then
    forget(id, redis.call('RPOP', done_key(id)))
  end
  advance(id, ev, redis.call('HGET', d, 'subject'))
end

local function failed(id, ev, d, r)
  local health = tonumber(redis.call('HGET', sub_key(id), 'health'))
  redis.call('HSET', sub_key(id), 'health', number(health - math.ceil(health / 8)), 'last_failure', number(now), 'last_error', r.error)
  redis.call('HINCRBY', sub_key(id), 'failed', 1)
  if r.hold > 0 then redis.call('HSET', sub_key(id), 'hold', number(now + r.hold)) end
  if r.pause >= 0 then
    local at = number(now + r.pause)
    redis.call('HINCRBY', sub_key(id), 'retried', 1)
    redis.call('HSET', d, 'next', at)
    redis.call('ZADD', due_key(id), at, ev)
    return
  end
  bury(id, ev, r.error)
  -- Dead letters in a row and no success among them: this endpoint only fails.
  if redis.call('HINCRBY', sub_key(id), 'row', 1) >= cfg.disable_after then
    redis.call('HSET', sub_key(id), 'state', 'disabled', 'reason', r.error)
  end
end

local function settle(r)
  local flight = r.sub .. ' ' .. r.event
  if redis.call('ZREM', fly_key(worker), flight) == 0 then return end -- no longer this worker's
  local id, ev = r.sub, r.event
  if redis.call('EXISTS', sub_key(id)) == 0 then return end
  redis.call('HINCRBY', sub_key(id), 'flying', -1)
  local d = delivery_key(id, ev)
  redis.call('HINCRBY', d, 'n', 1)
  local log = (redis.call('HGET', d, 'log') or '') .. r.log .. '\n'
  if #log > 4096 then log = string.gsub(log, '^[^\n]*\n', '', 1) end
  redis.call('HSET', d, 'log', log)
  if r.gone then return drop(id) end
  if r.ok then succeeded(id, ev, d) else failed(id, ev, d, r) end
  touched[id] = true
end

-- ---- hand out ------------------------------------------------------------------

local function read_events()
  local stream = P .. 'stream'
  local read = { 'XREADGROUP', 'GROUP', 'webhooks', 'geogate', 'COUNT', number(cfg.batch), 'NOACK', 'STREAMS', stream, '>' }
  local streams = redis.pcall(unpack(read))
  if streams and streams.err then -- the first time, and after the stream was lost
    redis.call('XGROUP', 'CREATE', stream, 'webhooks', '0', 'MKSTREAM')
    streams = redis.call(unpack(read))
  end
  return streams and streams[1] and streams[1][2] or {}
end

-- selects has the same rule as Patterns.Match in package event.
local function selects(patterns, kind)
  for _, pattern in ipairs(patterns) do
    if pattern == kind or pattern == '*' then return true end
    if string.sub(pattern, -1) == '*' and string.sub(kind, 1, #pattern - 1) == string.sub(pattern, 1, -2) then return true end
  end
  return false
end

local function place(pos)
  local ms, seq = string.match(pos, '^(%d+)-(%d+)$')
  return { tonumber(ms), tonumber(seq) }
end

local function after(a, b) return a[1] > b[1] or a[1] == b[1] and a[2] > b[2] end

local function hand_out()
  local entries = read_events()
  if #entries == 0 then return end
  if #entries >= cfg.batch then more = 1 end
  local subs = {}
  local flat = redis.call('HGETALL', P .. 'types')
  for i = 1, #flat, 2 do
    local since, types = string.match(flat[i + 1], '^(%S+) (.*)$')
    local s = { id = flat[i], since = place(since), patterns = {} }
    for pattern in string.gmatch(types, '%S+') do s.patterns[#s.patterns + 1] = pattern end
    subs[#subs + 1] = s
  end
  for _, entry in ipairs(entries) do
    local f, kept = {}, false
    for i = 1, #entry[2], 2 do f[entry[2][i]] = entry[2][i + 1] end
    local ev = 'evt_' .. entry[1]
    local published = place(entry[1])
    for _, s in ipairs(subs) do
      if after(published, s.since) and selects(s.patterns, f.type) then
        if not kept then
          keep_event(ev, f.type, f.at, f.data)
          kept = true
        end
        enqueue(s.id, ev, f.subject, '')
        touched[s.id] = true
      end
    end
  end
end

-- ---- clear up ------------------------------------------------------------------

local function clear_up()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'subs', '-inf', number(now), 'LIMIT', 0, 20)) do drop(id) end

  -- What dead workers had in hand is due again.
  for _, w in ipairs(leases_lapsed(P .. 'workers', 5)) do
    local flights = redis.call('ZRANGE', fly_key(w), 0, cfg.batch - 1)
    for _, flight in ipairs(flights) do
      redis.call('ZREM', fly_key(w), flight)
      give_back(flight)
    end
    if #flights < cfg.batch then redis.call('ZREM', P .. 'workers', w) else more = 1 end
  end

  local id = redis.call('SRANDMEMBER', P .. 'gone')
  if not id then return end
  local left = 0
  for _, key in ipairs({ all_key(id), dead_key(id) }) do
    local events = redis.call('ZRANGE', key, 0, cfg.batch - 1)
    left = left + #events
    for _, ev in ipairs(events) do
      local subject = redis.call('HGET', delivery_key(id, ev), 'subject')
      if subject and subject ~= '' then redis.call('DEL', lane_key(id, subject)) end
      redis.call('ZREM', key, ev)
      forget(id, ev)
    end
  end
  local done = redis.call('LRANGE', done_key(id), 0, -1) -- cfg.history at most
  for _, ev in ipairs(done) do forget(id, ev) end
  redis.call('DEL', done_key(id), due_key(id))
  if left == 0 then redis.call('SREM', P .. 'gone', id) else more = 1 end
end

-- ---- claim ---------------------------------------------------------------------

local function claim(claims, id, most)
  local s = redis.call('HMGET', sub_key(id), 'state', 'flying', 'health', 'url', 'secret', 'old', 'old_until')
  local disabled = s[1] == 'disabled'
  local free = window(s[3]) - tonumber(s[2] or 0)
  local look = math.min(most, free)
  if disabled then look = cfg.batch end
  if look < 1 then return rework(id) end
  local events = redis.call('ZRANGEBYSCORE', due_key(id), '-inf', number(now), 'LIMIT', 0, look)
  if look == most and #events == most then more = 1 end
  for _, ev in ipairs(events) do
    local d = redis.call('HMGET', delivery_key(id, ev), 'n', 'explicit', 'state')
    local e = redis.call('HMGET', event_key(ev), 'type', 'at', 'data')
    if not d[3] or not e[1] then -- evicted by a Redis that was told to
      redis.call('ZREM', due_key(id), ev)
      redis.call('ZREM', all_key(id), ev)
    elseif disabled and d[2] ~= '1' then
      bury(id, ev, 'disabled')
      more = 1
    elseif free > 0 and #claims < capacity then
      free = free - 1
      redis.call('ZREM', due_key(id), ev)
      redis.call('ZADD', fly_key(worker), turn, id .. ' ' .. ev)
      redis.call('HINCRBY', sub_key(id), 'flying', 1)
      local old = ''
      if s[6] and tonumber(s[7]) > now then old = s[6] end
      claims[#claims + 1] = { id, ev, tonumber(d[1]), s[4], s[5], old, e[1], e[2], e[3] }
    end
  end
  rework(id)
end

-- ---- the turn ------------------------------------------------------------------

for _, r in ipairs(cjson.decode(ARGV[6])) do settle(r) end

-- An answer that got lost took deliveries with it: they are due again.
local from = '(' .. number(acked)
if leaving then from = '-inf' end
for _, flight in ipairs(redis.call('ZRANGEBYSCORE', fly_key(worker), from, '+inf')) do
  redis.call('ZREM', fly_key(worker), flight)
  give_back(flight)
end
if leaving then
  for id in pairs(touched) do rework(id) end
  redis.call('ZREM', P .. 'workers', worker)
  return { 'ok', 0, -1, {} }
end

leases_take(P .. 'workers', worker, cfg.lease)
hand_out()
clear_up()
for id in pairs(touched) do rework(id) end

local claims = {}
if capacity > 0 then
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', P .. 'work', '-inf', number(now), 'LIMIT', 0, 64)) do
    if #claims >= capacity then
      more = 1
      break
    end
    claim(claims, id, math.min(cfg.share, capacity - #claims))
  end
end
if capacity <= #claims then more = 0 end -- the worker is full: its results bring it back

local wait = -1
local following = redis.call('ZRANGE', P .. 'work', 0, 0, 'WITHSCORES')
if #following > 0 then wait = math.max(0, tonumber(following[2]) - now) end
return { 'ok', more, wait, claims }
