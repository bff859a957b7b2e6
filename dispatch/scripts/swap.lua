-- Changes a record that belongs to no region unless somebody else has changed it. It
-- stands alone. ARGV: 1 the record expected or '', 2 the new one or '' for none, 3 ms
-- until it lapses. Answers 1 when it is changed.
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
end
return 1
