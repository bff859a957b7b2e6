-- Lists the processes that were heard of: "how long ago (ms) what it said".
-- KEYS[1]: hash of name to "heard at (Unix ms) what it said".
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local list = {}
for _, text in ipairs(redis.call('HVALS', KEYS[1])) do
  local heard, said = string.match(text, '^(%d+) (.*)$')
  if heard then
    list[#list + 1] = string.format('%.0f', math.max(now - heard, 0)) .. ' ' .. said
  end
end
return list
