-- Creates a ride and makes its first attempt or, where a process chooses, names candidates:
-- the fifth of the answer. ARGV: 2 ride, 3 lat, 4 lng, 5 rider,
-- 6 vehicle, 7 tags, 8 digest of the idempotency key or '', 9 fingerprint, 10 claim, 11 when
-- the rider wants to be picked up in ms or '', 12… fields that are kept as they are, each with
-- its value.
local ride = load('ride', ARGV[2])
-- The reply of the first call was lost and the client library repeats it.
if ride then
  settle(ride)
  return answer('ok', ride)
end
local idem = ARGV[8]
if idem ~= '' then
  local held = redis.call('HMGET', P .. ':idem:' .. idem, 'fingerprint', 'ride', 'claim', 'turn')
  if key_moved(held[4], ARGV[10]) then return { 'key_moved' } end
  if held[1] then
    if held[1] ~= ARGV[9] then return { 'key_reused' } end
    if held[2] then
      ride = load('ride', held[2])
      if ride then
        settle(ride)
        return answer('replayed', ride)
      end
    elseif held[3] ~= ARGV[10] then
      return { 'key_in_flight' }
    end
  end
end
local pickup_at = tonumber(ARGV[11]) or now
if pickup_at < now - cfg.ts_ahead then return { 'past' } end
if pickup_at > now + cfg.schedule_ahead then return { 'too_far_ahead' } end
if redis.call('ZCARD', P .. ':due') >= cfg.max_rides then return { 'ride_cap' } end
if backlogged() then return { 'backlog' } end
local rider = ARGV[5]
if rider ~= '' and redis.call('SCARD', P .. ':rider:' .. rider) >= cfg.max_per_rider then
  -- Rides that vanished with lost data must not count against their rider.
  for _, id in ipairs(redis.call('SRANDMEMBER', P .. ':rider:' .. rider, 64)) do
    if redis.call('EXISTS', P .. ':ride:' .. id) == 0 then
      redis.call('SREM', P .. ':rider:' .. rider, id)
    end
  end
  if redis.call('SCARD', P .. ':rider:' .. rider) >= cfg.max_per_rider then return { 'rider_cap' } end
end

local begins = math.max(now, pickup_at - cfg.lead)
ride = { id = ARGV[2], lat = ARGV[3], lng = ARGV[4], rider = rider, vehicle = ARGV[6], tags = ARGV[7],
  idem = idem, created = number(now), deadline = number(begins + cfg.timeout), begins = number(begins) }
turn(ride, begins > now and 'scheduled' or 'searching', '')
redis.call('HSET', P .. ':ride:' .. ride.id, 'lat', ride.lat, 'lng', ride.lng, 'rider', rider,
  'vehicle', ride.vehicle, 'tags', ride.tags, 'idem', idem, 'created', ride.created, 'deadline', ride.deadline,
  'begins', ride.begins)
if #ARGV > 11 then redis.call('HSET', P .. ':ride:' .. ride.id, unpack(ARGV, 12)) end
if rider ~= '' then redis.call('SADD', P .. ':rider:' .. rider, ride.id) end
if idem ~= '' then
  redis.call('DEL', P .. ':idem:' .. idem)
  redis.call('HSET', P .. ':idem:' .. idem, 'fingerprint', ARGV[9], 'ride', ride.id)
end
if ride.state == 'scheduled' then
  schedule(ride)
  return answer('ok', ride)
end
local outcome, named
if cfg.candidates == 0 then outcome = matching().claim_nearest(ride) else outcome, named = matching().name_candidates(ride) end
if outcome ~= 'taken' then redis.call('GEOADD', P .. ':waiting', ride.lng, ride.lat, ride.id) end
if not outcome then schedule(ride) end
local reply = answer('ok', ride)
reply[4], reply[5] = '', named or {}
return reply
