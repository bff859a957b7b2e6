-- Ends a subscription. ARGV: 2 id.
if not live(ARGV[2]) then return { 'not_found' } end
drop(ARGV[2])
return { 'ok' }
