-- Takes a driver out of a region because they reported from another one. What stays
-- for a while is the turn of their home, which refuses reports that were on their way,
-- and what a repeated call must answer again.
-- ARGV: 2 driver, 3 turn of the move, 4 ts of the report in ms or '', 5 turn of their home,
-- 6… what came along with the move to there: vehicle, tags, '1' for being off shift, and when
-- they first reported. Answers {'ok', {what they take along}}, {'engaged'}: they go when their ride ends, {'older'},
-- or {'moved', turn}: somebody else has moved them since, at that turn.
local key = P .. ':driver:' .. ARGV[2]
local d = load('driver', ARGV[2])
if d and (d.state == 'reserved' or d.state == 'busy') then
  local ride = load('ride', d.ride)
  if ride then settle(ride) end
  wake()
  d = load('driver', ARGV[2])
end
local kept = { 'vehicle', 'tags', 'off', 'first' }
local function behind(values)
  erase(ARGV[2], ARGV[3])
  for i, name in ipairs(kept) do redis.call('HSET', key, name, values[i] or '') end
  return { 'ok', values }
end
if not d then
  local trace = redis.call('HMGET', key, 'turn', unpack(kept))
  if trace[1] and tonumber(trace[1]) > tonumber(ARGV[3]) then return { 'moved', trace[1] } end
  local values = {}
  for i = 1, #kept do
    -- What was left behind counts only if it was after their move to here. If not, they have
    -- not arrived yet.
    local left = trace[1] and tonumber(trace[1]) > tonumber(ARGV[5])
    values[i] = left and (trace[i + 1] or '') or ARGV[5 + i]
  end
  return behind(values)
end
if d.turn and tonumber(d.turn) > tonumber(ARGV[3]) then return { 'moved', d.turn } end
if ARGV[4] ~= '' and d.ts and tonumber(ARGV[4]) < tonumber(d.ts) then return { 'older' } end
if d.state == 'reserved' or d.state == 'busy' then
  redis.call('HSET', key, 'moving', '1')
  return { 'engaged' }
end
if d.state == 'available' then go_offline(d, 'moved') end
return behind({ d.vehicle, d.tags, d.off or '', d.first or '' })
