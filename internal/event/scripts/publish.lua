-- Appends an event, unless it is there already.
-- KEYS[1]: the prefix that all keys of events share.
-- ARGV: 1 type, 2 data, 3 time in ms or '', 4 subject, 5 digest of the idempotency key,
--       6 fingerprint, 7 life of the key in ms, 8 traceparent or ''.
-- Answers {'ok'|'replayed', position} or {'key_reused'}.

local P = KEYS[1]
local key = P .. 'key:' .. ARGV[5]
local known = redis.call('HMGET', key, 'fingerprint', 'position')
if known[1] then
  if known[1] ~= ARGV[6] then return { 'key_reused' } end
  return { 'replayed', known[2] }
end

local at = ARGV[3]
if at == '' then at = number(now) end
local entry = { 'type', ARGV[1], 'at', at, 'subject', ARGV[4], 'data', ARGV[2] }
if ARGV[8] ~= '' then
  entry[9], entry[10] = 'trace', ARGV[8]
end
local pos = redis.call('XADD', P .. 'stream', '*', unpack(entry))
redis.call('HSET', key, 'fingerprint', ARGV[6], 'position', pos)
redis.call('PEXPIRE', key, ARGV[7])
return { 'ok', pos }
