-- Extends a subscription by its ttl. ARGV: 2 id.
local id = ARGV[2]
if not live(id) then return { 'not_found' } end
extend(id)
return answer('ok', id)
