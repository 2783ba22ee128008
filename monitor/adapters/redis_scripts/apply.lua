-- Adds a batch's counts and advances its partition's position: both or neither.
-- KEYS: 1 state, 2 touched (fine), 3 touched (coarse), then bucket, evidence and copies keys in the order of the plan, then
-- the documents whose claims decided what is counted (none in a cluster, where they lie in another slot).
-- ARGV: 1 epoch, 2 holder, 3 begin, 4 end, 5 last_published_ms, 6 the plan as JSON (see redis_trends.py), then those claims.
-- Returns {result, position}. The first write may be refused for lack of memory; after it Redis refuses none, so a full
-- Redis can't leave half a batch behind. The plan is read before it, for the same reason.
local state = redis.call('HMGET', KEYS[1], 'position', 'epoch', 'last_published_ms', 'holder')
local position, epoch = tonumber(state[1] or -1), tonumber(state[2] or 0)
if tonumber(ARGV[1]) ~= epoch or ARGV[2] ~= state[4] then return {'stale_epoch', position} end
if tonumber(ARGV[4]) <= position then return {'already_applied', position} end
if tonumber(ARGV[3]) ~= position then return {'gap', position} end
-- A server that came back without its last writes may have the position and not the claims.
local behind = #KEYS - #ARGV
for i = 7, #ARGV do
  if redis.call('GET', KEYS[behind + i]) ~= ARGV[i] then return {'claim_gone', position} end
end

local plan = cjson.decode(ARGV[6])
local last = math.max(tonumber(state[3] or 0), tonumber(ARGV[5]))
redis.call('HSET', KEYS[1], 'position', ARGV[4], 'last_published_ms', string.format('%.0f', last))
local key = 4
for _, bucket in ipairs(plan.buckets) do
  for field, amount in pairs(bucket.counts) do redis.call('HINCRBY', KEYS[key], field, amount) end
  redis.call('EXPIRE', KEYS[key], bucket.ttl)
  redis.call('ZADD', KEYS[bucket.touched], ARGV[4], bucket.name)
  key = key + 1
end
for _, part in ipairs(plan.evidence) do
  for story, weight in pairs(part.stories) do redis.call('ZADD', KEYS[key], weight, story) end
  redis.call('ZREMRANGEBYRANK', KEYS[key], 0, -(plan.evidence_limit + 1))
  redis.call('EXPIRE', KEYS[key], part.ttl)
  key = key + 1
end
for _, part in ipairs(plan.copies) do
  for story, amount in pairs(part.counts) do redis.call('HINCRBY', KEYS[key], story, amount) end
  redis.call('EXPIRE', KEYS[key], part.ttl)
  key = key + 1
end
-- Buckets that have expired leave the list of changes, oldest first, a few at a time.
for touched = 2, 3 do
  for _, name in ipairs(redis.call('ZRANGE', KEYS[touched], 0, 3)) do
    if redis.call('EXISTS', plan.bucket_prefix .. name) == 1 then break end
    redis.call('ZREM', KEYS[touched], name)
  end
end
return {'applied', tonumber(ARGV[4])}
