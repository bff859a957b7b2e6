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
  -- Dead letters in a row and no success among them: this endpoint only fails. One that
  -- nobody keeps alive would never end otherwise.
  if redis.call('HINCRBY', sub_key(id), 'row', 1) >= cfg.disable_after then
    if redis.call('HGET', sub_key(id), 'forever') == '1' then return drop(id) end
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

-- An event that has more listeners than one turn reaches waits in 'handing', with the
-- listener up to whom it got. It holds on to its body meanwhile, because the stream may
-- be trimmed behind it.
local function interrupted()
  local h = redis.call('HMGET', P .. 'handing', 'position', 'type', 'subject', 'after')
  if not h[1] then return nil end
  return { position = h[1], kind = h[2], subject = h[3], after = h[4], kept = true, resumed = true }
end

local function interrupt(e, after)
  if not e.kept then keep_event(e.id, e.kind, e.at, e.data, e.trace) end
  if not e.resumed then redis.call('HINCRBY', event_key(e.id), 'refs', 1) end
  redis.call('HSET', P .. 'handing', 'position', e.position, 'type', e.kind, 'subject', e.subject, 'after', after)
end

local function finish(e)
  if not e.resumed then return end
  redis.call('DEL', P .. 'handing')
  if redis.call('HINCRBY', event_key(e.id), 'refs', -1) <= 0 then redis.call('DEL', event_key(e.id)) end
end

local function read_event()
  local stream = P .. 'stream'
  local read = { 'XREADGROUP', 'GROUP', 'webhooks', 'geogate', 'COUNT', 1, 'NOACK', 'STREAMS', stream, '>' }
  local streams = redis.pcall(unpack(read))
  if streams and streams.err then -- the first time, and after the stream was lost
    redis.call('XGROUP', 'CREATE', stream, 'webhooks', '0', 'MKSTREAM')
    streams = redis.call(unpack(read))
  end
  local entry = streams and streams[1] and streams[1][2][1]
  if not entry then return nil end
  local f = {}
  for i = 1, #entry[2], 2 do f[entry[2][i]] = entry[2][i + 1] end
  return { position = entry[1], kind = f.type, subject = f.subject, at = f.at, data = f.data, trace = f.trace, after = '' }
end

-- selectors are the patterns that select a type, between spaces, by the rule of
-- Patterns.Match in package event.
local function selectors(kind)
  local all = { ' ' .. kind .. ' ', ' * ' }
  local dot = string.find(kind, '.', 1, true)
  while dot do
    all[#all + 1] = ' ' .. string.sub(kind, 1, dot) .. '* '
    dot = string.find(kind, '.', dot + 1, true)
  end
  return all
end

local function selected(patterns, by)
  for _, selector in ipairs(by) do
    if string.find(patterns, selector, 1, true) then return true end
  end
  return false
end

local function place(pos)
  local ms, seq = string.match(pos, '^(%d+)-(%d+)$')
  return { tonumber(ms), tonumber(seq) }
end

local function after(a, b) return a[1] > b[1] or a[1] == b[1] and a[2] > b[2] end

-- listeners returns a function that gives the listener behind an id, '' for the first:
-- {id, since, patterns}, in an order that is the same in every turn. It reads a few at a
-- time, and keeps them for the next event.
local function listeners()
  local key, behind = P .. 'listeners', {}
  local function file() -- 'types' is the truth; releases before this one kept only that
    redis.call('DEL', key)
    for _, id in ipairs(redis.call('HKEYS', P .. 'types')) do redis.call('ZADD', key, 0, id) end
  end
  if redis.call('ZCARD', key) ~= redis.call('HLEN', P .. 'types') then file() end
  local function read(from)
    local ids = redis.call('ZRANGEBYLEX', key, from == '' and '-' or '(' .. from, '+', 'LIMIT', 0, 16)
    if #ids == 0 then return end
    for i, value in ipairs(redis.call('HMGET', P .. 'types', unpack(ids))) do
      if not value then
        file()
        return read(from)
      end
      local since, types = string.match(value, '^(%S+) (.*)$')
      behind[from] = { id = ids[i], since = place(since), patterns = ' ' .. types .. ' ' }
      from = ids[i]
    end
  end
  return function(id)
    if not behind[id] then read(id) end
    return behind[id]
  end
end

-- hand_out gives events to the subscribers who listen for them, one event after the
-- other, and stops when it has taken cfg.effort: that bounds how long Redis is busy,
-- whatever the number of subscribers and filters.
local function hand_out()
  local listener
  local left = cfg.effort
  while left > 0 do
    local e = interrupted() or read_event()
    if not e then return end
    listener = listener or listeners()
    e.id = 'evt_' .. e.position
    local published, by = place(e.position), selectors(e.kind)
    local look = 1 + math.floor(#by / 8)
    left = left - cfg.event_effort
    local reached = e.after
    local s = listener(reached)
    while left > 0 and s do
      left = left - look
      if after(published, s.since) and selected(s.patterns, by) then
        if not e.kept then
          keep_event(e.id, e.kind, e.at, e.data, e.trace)
          e.kept = true
        end
        enqueue(s.id, e.id, e.subject, '')
        touched[s.id] = true
        left = left - cfg.delivery_effort
      end
      reached = s.id
      s = listener(reached)
    end
    if s then interrupt(e, reached) else finish(e) end
  end
  more = 1
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

local burials = 0 -- in this turn

local function claim(claims, id, most)
  local s = redis.call('HMGET', sub_key(id), 'state', 'flying', 'health', 'url', 'secret', 'old', 'old_until', 'older')
  local disabled = s[1] == 'disabled'
  local free = window(s[3]) - tonumber(s[2] or 0)
  local look = math.min(most, free)
  if disabled then look = cfg.batch - burials end
  if look < 1 then return rework(id) end
  local events = redis.call('ZRANGEBYSCORE', due_key(id), '-inf', number(now), 'LIMIT', 0, look)
  if look == most and #events == most then more = 1 end
  for _, ev in ipairs(events) do
    local d = redis.call('HMGET', delivery_key(id, ev), 'n', 'explicit', 'state')
    local e = redis.call('HMGET', event_key(ev), 'type', 'at', 'data', 'trace')
    if not d[3] or not e[1] then -- evicted by a Redis that was told to
      redis.call('ZREM', due_key(id), ev)
      redis.call('ZREM', all_key(id), ev)
    elseif disabled and d[2] ~= '1' then
      bury(id, ev, 'disabled')
      burials = burials + 1
      more = 1
    elseif free > 0 and #claims < capacity then
      free = free - 1
      redis.call('ZREM', due_key(id), ev)
      redis.call('ZADD', fly_key(worker), turn, id .. ' ' .. ev)
      redis.call('HINCRBY', sub_key(id), 'flying', 1)
      local old = ''
      for secret, till in string.gmatch((s[6] and s[6] .. ' ' .. s[7] or '') .. ' ' .. (s[8] or ''), '(%S+) (%S+)') do
        if tonumber(till) > now then old = old .. secret .. ' ' end
      end
      claims[#claims + 1] = { id, ev, tonumber(d[1]), s[4], s[5], old, e[1], e[2], e[3], e[4] or '' }
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
    if #claims >= capacity or burials >= cfg.batch then
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
