-- Tries waiting rides near drivers who became available and were not tried yet.
-- ARGV: 2… drivers. Answers {'ok', drivers still not tried}.
for i = 2, #ARGV do
  local d = load('driver', ARGV[i])
  if d and d.state == 'available' then freed[#freed + 1] = d end
end
return { 'ok', wake() }
