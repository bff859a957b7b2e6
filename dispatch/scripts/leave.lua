-- Takes a driver out of a region because they reported from another one. What stays
-- for a while is the turn of their home, which refuses reports that were on their way,
-- and what a repeated call must answer again.
-- ARGV: 2 driver, 3 turn of the move, 4 ts of the report in ms or '', 5 turn of their home,
-- 6 vehicle, 7 tags and 8 '1' for being off shift, which came along with the move to there.
-- Answers {'ok', {vehicle, tags, off shift}}, {'engaged'}: they go when their ride ends, {'older'},
-- or {'moved', turn}: somebody else has moved them since, at that turn.
local key = P .. ':driver:' .. ARGV[2]
local d = load('driver', ARGV[2])
if d and (d.state == 'reserved' or d.state == 'busy') then
  local ride = load('ride', d.ride)
  if ride then settle(ride) end
  wake()
  d = load('driver', ARGV[2])
end
if not d then
  local trace = redis.call('HMGET', key, 'turn', 'vehicle', 'tags', 'off')
  if trace[1] and tonumber(trace[1]) > tonumber(ARGV[3]) then return { 'moved', trace[1] } end
  -- What was left behind counts only if it was after their move to here. If not, they have
  -- not arrived yet.
  local vehicle, tags, off = ARGV[6], ARGV[7], ARGV[8]
  if trace[1] and tonumber(trace[1]) > tonumber(ARGV[5]) then
    vehicle, tags, off = trace[2] or '', trace[3] or '', trace[4] or ''
  end
  redis.call('HSET', key, 'state', 'gone', 'turn', ARGV[3], 'vehicle', vehicle, 'tags', tags, 'off', off)
  redis.call('PEXPIRE', key, number(cfg.in_flight))
  return { 'ok', { vehicle, tags, off } }
end
if d.turn and tonumber(d.turn) > tonumber(ARGV[3]) then return { 'moved', d.turn } end
if ARGV[4] ~= '' and d.ts and tonumber(ARGV[4]) < tonumber(d.ts) then return { 'older' } end
if d.state == 'reserved' or d.state == 'busy' then
  redis.call('HSET', key, 'moving', '1')
  return { 'engaged' }
end
if d.state == 'available' then go_offline(d, 'moved') end
erase(d.id, ARGV[3])
redis.call('HSET', key, 'vehicle', d.vehicle, 'tags', d.tags, 'off', d.off or '')
return { 'ok', { d.vehicle, d.tags, d.off or '' } }
