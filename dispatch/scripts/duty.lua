-- Shares out the regions among the processes, so that each is worked by one. It stands
-- alone, behind the shared clock: KEYS[1] belongs to no region. ARGV: 1 worker, 2 lease in ms
-- or 0 to give everything back, 3… regions. Answers the worker's regions.
-- The hash holds, for each worker and each region, when the lease lapses.
local flat = redis.call('HGETALL', KEYS[1])
local workers, holder = 0, {}
for i = 1, #flat, 2 do
  local kind, name = string.match(flat[i], '^(%a+) (.*)$')
  local till, by = string.match(flat[i + 1], '^(%d+) ?(.*)$')
  if tonumber(till) <= now or name == ARGV[1] or by == ARGV[1] and ARGV[2] == '0' then
    redis.call('HDEL', KEYS[1], flat[i])
  elseif kind == 'worker' then
    workers = workers + 1
  else
    holder[name] = by
  end
end
if ARGV[2] == '0' then return {} end
local till = number(now + ARGV[2])
redis.call('HSET', KEYS[1], 'worker ' .. ARGV[1], till)
local share, mine = math.ceil((#ARGV - 2) / (workers + 1)), {}
for _, of in ipairs({ ARGV[1], false }) do
  for i = 3, #ARGV do
    local region = ARGV[i]
    if (holder[region] or false) == of then
      if #mine < share then
        mine[#mine + 1] = region
        redis.call('HSET', KEYS[1], 'region ' .. region, till .. ' ' .. ARGV[1])
      elseif of then
        redis.call('HDEL', KEYS[1], 'region ' .. region)
      end
    end
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return mine
