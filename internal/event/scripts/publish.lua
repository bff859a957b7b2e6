-- Appends an event, unless it is there already.
-- KEYS[1]: the prefix that all keys of events share.
-- ARGV: 1 type, 2 time in ms or '', 3 subject, 4 data,
--       5 source, 6 position at the source ('' for none),
--       7 digest of the idempotency key ('' for none), 8 fingerprint, 9 life of the key in ms.
-- Answers {'ok'|'replayed', position} or {'key_reused'}.

local P = KEYS[1]

-- A source hands its events on in order, so the last position says all of what is
-- here already. One field a source, where remembering ids would be one key an event.
if ARGV[5] ~= '' then
  local last = redis.call('HGET', P .. 'sources', ARGV[5])
  if last then
    local there, pos = string.match(last, '^(%S+) (%S+)$')
    if not after(ARGV[6], there) then
      return { 'replayed', there == ARGV[6] and pos or '' }
    end
  end
end

local key = P .. 'key:' .. ARGV[7]
if ARGV[7] ~= '' then
  local known = redis.call('HMGET', key, 'fingerprint', 'position')
  if known[1] then
    if known[1] ~= ARGV[8] then return { 'key_reused' } end
    return { 'replayed', known[2] }
  end
end

local at = ARGV[2]
if at == '' then at = number(now) end
local pos = redis.call('XADD', P .. 'stream', '*', 'type', ARGV[1], 'at', at, 'subject', ARGV[3], 'data', ARGV[4])
if ARGV[5] ~= '' then redis.call('HSET', P .. 'sources', ARGV[5], ARGV[6] .. ' ' .. pos) end
if ARGV[7] ~= '' then
  redis.call('HSET', key, 'fingerprint', ARGV[8], 'position', pos)
  redis.call('PEXPIRE', key, ARGV[9])
end
return { 'ok', pos }
