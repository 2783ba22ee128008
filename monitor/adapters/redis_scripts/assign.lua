-- Takes a partition: a new epoch, and the stored position (or the given one where none is stored).
-- KEYS: 1 state, 2 a key that never exists, 3 outside a cluster one that lies where claims do.
-- ARGV: 1 earliest position, 2 holder, 3 the epoch that claims were made in last, which a failover of the state's slot doesn't
-- take back. Returns {epoch, position}.
-- What a user may not do is refused in the middle of a script, after writes that stay: all that `apply` does is tried
-- here, where it changes nothing. So is whether one script may see claims and trends: a proxy that spreads them refuses.
redis.call('ZADD', KEYS[2], 'XX', 0, '-')
redis.call('ZREM', KEYS[2], '-')
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, 0)
redis.call('ZRANGE', KEYS[2], 0, 0)
redis.call('EXPIRE', KEYS[2], 1)
redis.call('EXISTS', KEYS[2])
redis.call('GET', KEYS[2])
redis.call('HMGET', KEYS[1], 'position')
redis.call('HSETNX', KEYS[1], 'position', ARGV[1])
redis.call('HSET', KEYS[1], 'holder', ARGV[2])
local behind = math.max(0, tonumber(ARGV[3]) - tonumber(redis.call('HGET', KEYS[1], 'epoch') or 0))
local epoch = redis.call('HINCRBY', KEYS[1], 'epoch', behind + 1)
return {epoch, tonumber(redis.call('HGET', KEYS[1], 'position'))}
