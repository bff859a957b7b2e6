-- What jobs are charged for what is kept of them. KEYS: when each charge lapses, charges,
-- totals. A charge is '<bytes> <client>'. The totals are the sums of the charges, in all
-- and by client, and change with them in the same script.
local function charge_of(id)
  local bytes, client = string.match(redis.call('HGET', KEYS[2], id) or '', '^(%d+) (.*)$')
  return tonumber(bytes), client
end

local function total(field) return tonumber(redis.call('HGET', KEYS[3], field) or 0) end

local function grow(field, by)
  if by ~= 0 and redis.call('HINCRBY', KEYS[3], field, number(by)) == 0 then redis.call('HDEL', KEYS[3], field) end
end

local function grow_both(client, jobs, bytes)
  grow('jobs', jobs)
  grow('bytes', bytes)
  grow('jobs ' .. client, jobs)
  grow('bytes ' .. client, bytes)
end
