-- Leases. Whoever works under one has it for a while, renews it in time, and gives it
-- back when done. A lease that nobody renews lapses, and others take it over.

-- A lease on one thing is a key that holds the name of its holder.
local function lease_taken(key, holder, life) -- also renews; life in ms
  local other = redis.call('GET', key)
  if other and other ~= holder then return false end
  redis.call('SET', key, holder, 'PX', life)
  return true
end

local function lease_held(key, holder) return redis.call('GET', key) == holder end

local function lease_returned(key, holder)
  if not lease_held(key, holder) then return false end
  redis.call('DEL', key)
  return true
end

-- Leases on many things are one sorted set: each member by when its lease lapses.
-- Who holds a member stands beside it, where the script that works on it looks.
local function leases_lapsed(set, most)
  return redis.call('ZRANGEBYSCORE', set, '-inf', number(now), 'LIMIT', 0, most)
end

local function leases_take(set, member, life) redis.call('ZADD', set, number(now + life), member) end

local function leases_renew(set, member, life) redis.call('ZADD', set, 'XX', number(now + life), member) end

local function leases_return(set, member) redis.call('ZADD', set, 'XX', number(now), member) end
