-- Rides and drivers as Redis keeps them, and the events about them.

local function load(kind, id)
  spend(3)
  local flat = redis.call('HGETALL', P .. ':' .. kind .. ':' .. id)
  if #flat == 0 then return nil end
  local h = { id = id }
  for i = 1, #flat, 2 do h[flat[i]] = flat[i + 1] end
  -- What a driver who moved to another region leaves behind is not them.
  if h.state == 'gone' then return nil end
  return h
end

-- changes_kept is for how long, in ms, maps find what has changed, and changes_most how many
-- changes of a busy region; they look twice a second.
local changes_kept, changes_most = 10000, 10000

-- event appends to the outbox. What has to be handed on stays until it was; where nobody
-- takes it, the stream is a record of bounded length. Maps read a stream of their own,
-- because the outbox forgets at once what was handed on.
local function event(fields)
  spend(5)
  local kind = fields[2]
  if cfg.max_unsent > 0 then
    redis.call('XADD', P .. ':events', '*', unpack(fields))
  else
    redis.call('XADD', P .. ':events', 'MAXLEN', '~', number(cfg.stream), '*', unpack(fields))
  end
  redis.call('XADD', P .. ':changes', 'MAXLEN', '~', number(changes_most), '*', unpack(fields))
  redis.call('PEXPIRE', P .. ':changes', changes_kept)
  redis.call('HINCRBY', P .. ':counts', kind, 1)
end
