-- Notes how far events were handed on, and removes them. ARGV: 2 worker, 3 id of the last
-- one, 4 '1' to give the lease back.
if not lease_held(P .. ':outbox:lease', ARGV[2]) then return { 'leased' } end
if ARGV[3] ~= '' then
  redis.call('SET', P .. ':outbox', ARGV[3])
  local ms, seq = string.match(ARGV[3], '^(%d+)-(%d+)$')
  redis.call('XTRIM', P .. ':events', 'MINID', ms .. '-' .. number(seq + 1))
end
if ARGV[4] == '1' then lease_returned(P .. ':outbox:lease', ARGV[2]) end
return { 'ok' }
