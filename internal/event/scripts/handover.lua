-- Appends events that a source hands over in order, unless they are there already.
-- KEYS[1]: the prefix that all keys of events share.
-- ARGV: 1 source, 2 how many of its events to remember, 3 for how many ms; then for each
--       event: position at the source, fingerprint, type, data, time in ms or '', subject,
--       traceparent or ''.
-- Answers for each event {'ok'|'replayed', position, '' for one that was here long ago}.

local P, source = KEYS[1], ARGV[1]
local sent = P .. 'sent:' .. source
-- What lies beyond the last position is new. What does not is nearly always a repetition,
-- and is looked up among the events remembered. But a source that lost its last events in
-- a failover, and whose clock is now behind, makes new ones at positions that were used.
local there, last = string.match(redis.call('HGET', P .. 'sources', source) or '', '^(%S+) (%S+)$')
-- Releases before this one remembered nothing; to them every such event was a repetition.
local remembers = redis.call('EXISTS', sent) == 1
local answers, added = {}, false
for i = 4, #ARGV, 7 do
  local position, fingerprint, at = ARGV[i], ARGV[i + 1], ARGV[i + 4]
  if there and not after(position, there) and (not remembers or redis.call('ZSCORE', sent, fingerprint)) then
    answers[#answers + 1] = { 'replayed', there == position and last or '' }
  else
    if at == '' then at = number(now) end
    local entry = { 'type', ARGV[i + 2], 'at', at, 'subject', ARGV[i + 5], 'data', ARGV[i + 3] }
    if ARGV[i + 6] ~= '' then
      entry[9], entry[10] = 'trace', ARGV[i + 6]
    end
    last = redis.call('XADD', P .. 'stream', '*', unpack(entry))
    there, added = position, true
    redis.call('ZADD', sent, number(now), fingerprint)
    remembers = true
    answers[#answers + 1] = { 'ok', last }
  end
end
if added then
  redis.call('HSET', P .. 'sources', source, there .. ' ' .. last)
  redis.call('ZREMRANGEBYRANK', sent, 0, -1 - tonumber(ARGV[2]))
  redis.call('PEXPIRE', sent, ARGV[3])
end
return answers
