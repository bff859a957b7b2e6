-- Reads a page of one list or of several as one. ARGV: 2 'asc' or 'desc', 3 score and 4 id of the
-- entry behind which to go on, or '' both, 5 how many, 6… the lists, ":rides:matched".
-- Answers {'ok', {id, score, …}}.
local descending, from, last, want = ARGV[2] == 'desc', ARGV[3], ARGV[4], tonumber(ARGV[5])
local command = descending and 'ZREVRANGEBYSCORE' or 'ZRANGEBYSCORE'
local open = descending and '-inf' or '+inf'

-- behind reports whether an entry comes after another one, as Redis orders them.
local function behind(score, id, than, other)
  if score ~= than then return (score < than) == descending end
  return id ~= other and (id < other) == descending
end

-- page returns the first entries of a list behind the last one. Those of the same score, made
-- in one millisecond, are read again.
local function page(key)
  local entries, offset = {}, 0
  while true do
    local flat = redis.call(command, key, from == '' and (descending and '+inf' or '-inf') or from, open,
      'WITHSCORES', 'LIMIT', offset, want)
    for i = 1, #flat, 2 do
      local score = tonumber(flat[i + 1])
      if from == '' or behind(score, flat[i], tonumber(from), last) then
        entries[#entries + 1] = { score, flat[i] }
        if #entries == want then return entries end
      end
    end
    if #flat < 2 * want then return entries end
    offset = offset + want
  end
end

local all = {}
for i = 6, #ARGV do
  for _, entry in ipairs(page(P .. ARGV[i])) do all[#all + 1] = entry end
end
table.sort(all, function(a, b) return behind(b[1], b[2], a[1], a[2]) end)
local out = {}
for i = 1, math.min(want, #all) do
  out[#out + 1] = all[i][2]
  out[#out + 1] = number(all[i][1])
end
return { 'ok', out }
