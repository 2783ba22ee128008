-- Stores claims of documents to stories; an earlier claim stands, a taken band refuses a new story, and a forgotten
-- story a reprint of it. A story outlives every claim to it.
-- KEYS: the document key of each claim (all keys share one hash tag).
-- ARGV: 1 key prefix, 2 seconds to live, 3 the claims as JSON [{claim, story, bands, seen}], then each claim's sketch.
-- Returns per claim what stands, or false: decide again.
local prefix, ttl = ARGV[1], tonumber(ARGV[2])
local standing = {}
for i, claim in ipairs(cjson.decode(ARGV[3])) do
  local earlier = redis.call('GET', KEYS[i])
  if earlier then
    standing[i] = earlier
  else
    local free = true
    for j, band in ipairs(claim.bands) do
      if (redis.call('GET', prefix .. 'b:' .. band) or '') ~= claim.seen[j] then free = false break end
    end
    local told = prefix .. 's:' .. claim.story
    if #claim.bands == 0 and redis.call('EXISTS', told) == 0 then free = false end
    if free then
      redis.call('SET', KEYS[i], claim.claim, 'EX', ttl)
      if #claim.bands == 0 then
        redis.call('EXPIRE', told, 2 * ttl)
      else
        redis.call('SET', told, ARGV[3 + i], 'EX', 2 * ttl)
        for _, band in ipairs(claim.bands) do redis.call('SET', prefix .. 'b:' .. band, claim.story, 'EX', ttl) end
      end
      standing[i] = claim.claim
    else
      standing[i] = false
    end
  end
end
return standing
