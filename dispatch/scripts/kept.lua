-- What is no longer kept.

-- erase forgets a driver. Where there are several regions, the turn of that stays for a
-- while: it refuses reports that were on their way, and vanishes by itself.
local function erase(id, turn)
  local key = P .. ':driver:' .. id
  enlist({ id = id })
  redis.call('ZREM', P .. ':watch', id)
  redis.call('ZREM', P .. ':moved', id)
  redis.call('DEL', key)
  if turn ~= '' then
    redis.call('HSET', key, 'state', 'gone', 'turn', turn)
    redis.call('PEXPIRE', key, number(cfg.in_flight))
  end
end

local ride_states = { 'scheduled', 'searching', 'offered', 'matched', 'arrived', 'started', 'completed', 'cancelled', 'expired' }

-- unlist takes a ride that is no longer kept out of all lists.
local function unlist(id, driver, rider)
  spend(4)
  for _, state in ipairs(ride_states) do redis.call('ZREM', P .. ':rides:' .. state, id) end
  if driver ~= '' then redis.call('ZREM', P .. ':rides:d:' .. driver, id) end
  if rider ~= '' then redis.call('ZREM', P .. ':rides:r:' .. rider, id) end
end
