-- What bounds how much there is.

-- room_for_another reports whether one more driver may come on duty.
local function room_for_another()
  return redis.call('ZCARD', P .. ':avail') + redis.call('ZCARD', P .. ':engaged') < cfg.max_drivers
end

-- unsent is how many events have still to be handed on.
local function unsent() return cfg.max_unsent > 0 and redis.call('XLEN', P .. ':events') or 0 end

-- backlogged reports whether so many have that nothing new may begin. What goes on
-- is bounded by the rides and drivers that there are.
local function backlogged() return cfg.max_unsent > 0 and unsent() >= cfg.max_unsent end
