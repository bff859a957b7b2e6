-- Does what is due about a ride. ARGV: 2 ride. Answers {'ok', trace of the ride, its state};
-- where a process chooses, perhaps {'named', trace, {id, lat, lng, … of the candidates},
-- lat, lng of the pickup}.
local ride = load('ride', ARGV[2])
if not ride then
  redis.call('ZREM', P .. ':due', ARGV[2])
  redis.call('ZREM', P .. ':waiting', ARGV[2])
  unlist(ARGV[2], '', '')
  return { 'not_found' }
end
local version = ride.version
settle(ride)
if not live(ride) then
  redis.call('ZREM', P .. ':due', ride.id)
elseif ride.version == version then
  local outcome, named
  if ride.state == 'searching' then
    if cfg.candidates == 0 then outcome = matching().claim_nearest(ride) else outcome, named = matching().name_candidates(ride) end
  end
  if outcome == 'named' then
    wake()
    return { 'named', ride.trace or '', named, ride.lat, ride.lng }
  elseif not outcome then
    -- Nothing has filed the ride since the lease put it off.
    redis.call('HDEL', P .. ':ride:' .. ride.id, 'worker')
    schedule(ride)
  end
end
wake()
return { 'ok', ride.trace or '', ride.state }
