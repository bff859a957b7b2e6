-- Charges a job with so many bytes instead of what it was charged with before, unless a
-- limit is passed. The same call may be repeated. ARGV: job, client, bytes, life in ms,
-- most jobs, most jobs of a client, most bytes, most bytes of a client. Answers 'charged',
-- or which limit stands in the way.
local id, client, bytes = ARGV[1], ARGV[2], tonumber(ARGV[3])
local before = charge_of(id)
if not before then
  if total('jobs ' .. client) >= tonumber(ARGV[6]) then return 'client jobs' end
  if total('jobs') >= tonumber(ARGV[5]) then return 'jobs' end
end
local grown = bytes - (before or 0)
if grown > 0 then
  if total('bytes ' .. client) + grown > tonumber(ARGV[8]) then return 'client bytes' end
  if total('bytes') + grown > tonumber(ARGV[7]) then return 'bytes' end
end
grow_both(client, before and 0 or 1, grown)
redis.call('HSET', KEYS[2], id, number(bytes) .. ' ' .. client)
redis.call('ZADD', KEYS[1], number(now + tonumber(ARGV[4])), id)
return 'charged'
