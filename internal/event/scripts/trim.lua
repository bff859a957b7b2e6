-- Removes old entries. KEYS[1] stream, 2 where the position of the last one removed
-- is kept; ARGV: 1 entries to keep, 2 entries to keep at
-- most, 3 age in ms at which entries go, 4 position from which on some group has
-- still to read, 5 how many to remove at most. Answers {removed, of them unread}.

local length = redis.call('XLEN', KEYS[1])
local keep, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local doomed, unread = {}, 0
local oldest = number(now - tonumber(ARGV[3])) .. '-0'
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[5])) do
  local pos = entry[1]
  local read = after(ARGV[4], pos)
  local left = length - #doomed
  if not (left > most or after(oldest, pos) or read and left > keep) then break end
  if not read then unread = unread + 1 end
  doomed[#doomed + 1] = pos
end
if #doomed > 0 then
  redis.call('XDEL', KEYS[1], unpack(doomed))
  redis.call('SET', KEYS[2], doomed[#doomed])
end
return { #doomed, unread }
