-- Moves a position forward over records that the broker no longer has.
-- KEYS: 1 state. ARGV: 1 epoch, 2 holder, 3 position. Returns {result, position}.
local state = redis.call('HMGET', KEYS[1], 'position', 'epoch', 'holder')
local position = tonumber(state[1] or -1)
if tonumber(ARGV[1]) ~= tonumber(state[2] or 0) or ARGV[2] ~= state[3] then return {'stale_epoch', position} end
if tonumber(ARGV[3]) <= position then return {'already_applied', position} end
redis.call('HSET', KEYS[1], 'position', ARGV[3])
return {'applied', tonumber(ARGV[3])}
