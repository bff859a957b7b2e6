-- Idempotency keys. Where there are several regions, a key belongs to one of them by turns:
-- DESIGN.md has the steps by which it moves.

-- key_moved reports whether a key has gone to another region since the caller, whose claim
-- begins with their turn, found it in this one. left is the turn at which it went.
local function key_moved(left, claim)
  local turn = string.match(claim, '^(%d+)%.')
  return left and turn and tonumber(turn) < tonumber(left)
end
