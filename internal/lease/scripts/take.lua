-- Takes or renews a lease. KEYS[1] lease; ARGV: 1 holder, 2 life in ms. Answers 1 when
-- the holder has it.
return lease_taken(KEYS[1], ARGV[1], ARGV[2]) and 1 or 0
