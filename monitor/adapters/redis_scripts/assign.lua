-- Takes a partition: a new epoch, and the stored position (or the given one where none is stored).
-- KEYS: 1 state. ARGV: 1 earliest position, 2 holder. Returns {epoch, position}.
redis.call('HSETNX', KEYS[1], 'position', ARGV[1])
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', 1)
redis.call('HSET', KEYS[1], 'holder', ARGV[2])
return {epoch, tonumber(redis.call('HGET', KEYS[1], 'position'))}
