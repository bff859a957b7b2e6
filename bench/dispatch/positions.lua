-- wrk: posts positions of drivers who move in a city. Arguments: how many positions
-- a request carries (1: an object, no array), and how many drivers there are.
local bodies, next_body = {}, 0

local function position(id)
  return string.format('{"id":"%d","lat":%.6f,"lng":%.6f}', id,
    -33.44262 + (math.random() + math.random() - 1) * 0.1,
    -70.63054 + (math.random() + math.random() - 1) * 0.1)
end

function init(args)
  local size, drivers = tonumber(args[1]), tonumber(args[2])
  math.randomseed(1)
  for b = 1, math.max(4, math.min(drivers, 40000 / size)) do
    local list = {}
    for i = 1, size do list[i] = position(size < drivers and math.random(drivers) - 1 or i - 1) end
    bodies[b] = size == 1 and list[1] or '[' .. table.concat(list, ',') .. ']'
  end
  wrk.method, wrk.headers['Content-Type'] = 'POST', 'application/json'
end

function request()
  next_body = next_body % #bodies + 1
  return wrk.format(nil, '/tracking', nil, bodies[next_body])
end
