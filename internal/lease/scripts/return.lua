-- Gives a lease back. KEYS[1] lease; ARGV: 1 holder. Answers 1 when the holder had it.
return lease_returned(KEYS[1], ARGV[1]) and 1 or 0
