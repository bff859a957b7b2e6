-- Stores a blob, unless its job was erased. KEYS: blobs of the job. ARGV: name, blob.
-- Answers 1 when it is stored.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
