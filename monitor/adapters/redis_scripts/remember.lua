-- Stores claims of documents to stories; an earlier claim stands, a taken band refuses a new story, and a forgotten
-- story a reprint of it. One that was only found is not stored again. A story outlives every claim to it.
-- KEYS: 1 epochs, then of each claim its document, its story and its bands (all keys share one hash tag).
-- ARGV: 1 seconds to live, 2 partition -> the caller's epoch as JSON, 3 the claims as JSON [{claim, story, bands: how many,
-- seen: what each led to, if any led to a story, known: whether it was found and not made}], then each claim's sketch.
-- Returns per claim what stands, or false: decide again. Only the first write can be refused for lack of memory, and
-- refuses all; EXPIRE never is, and must not come first.
-- A claim of a partition that another worker has asked for in a newer epoch is answered and not stored: its maker was
-- frozen, and could never take it back if the document turns out unscorable.
local ttl = tonumber(ARGV[1])
local epochs, newest = cjson.decode(ARGV[2]), {}
for partition in pairs(epochs) do newest[partition] = tonumber(redis.call('HGET', KEYS[1], partition) or 0) end
local standing, at = {}, 2
for i, claim in ipairs(cjson.decode(ARGV[3])) do
  local document, story, bands = KEYS[at], KEYS[at + 1], claim.bands
  local held = redis.call('MGET', unpack(KEYS, at, at + 1 + bands))
  if held[1] then
    standing[i] = held[1]
  else
    local free, seen = not claim.known and (bands > 0 or held[2]), claim.seen or {}
    for j = 1, bands do
      if (held[2 + j] or '') ~= (seen[j] or '') then free = false break end
    end
    local partition = string.match(claim.claim, '\31(%d+):%d+$')
    if free and (epochs[partition] or 0) < (newest[partition] or 0) then
      standing[i] = claim.claim
    elseif free then
      redis.call('SET', document, claim.claim, 'EX', ttl)
      if bands == 0 then
        redis.call('EXPIRE', story, 2 * ttl)
      else
        redis.call('SET', story, ARGV[3 + i], 'EX', 2 * ttl)
        for j = 1, bands do redis.call('SET', KEYS[at + 1 + j], claim.story, 'EX', ttl) end
      end
      standing[i] = claim.claim
    else
      standing[i] = false
    end
  end
  at = at + 2 + bands
end
-- From here on `forget` takes no claim of these partitions back in an older epoch, the ones that stood already among them.
-- No claim outlives the epoch that guards it.
for partition, epoch in pairs(epochs) do
  if epoch > newest[partition] then redis.call('HSET', KEYS[1], partition, epoch) end
  redis.call('EXPIRE', KEYS[1], ttl)
end
return standing
