-- Takes claims of documents to stories back, each only if it was made from that very origin, and if nobody has made claims
-- for its partition in a newer epoch. With the claim that began a story go its sketch and the bands that still lead to it,
-- so that the next reprint begins it anew.
-- KEYS: 1 epochs, then of each claim its document, the story that it may have begun, and its bands (all keys share one
-- hash tag).
-- ARGV: 1 the claims as JSON [{document, origin (with the separator before it), partition, epoch, bands: how many}].
local at = 2
for _, claim in ipairs(cjson.decode(ARGV[1])) do
  local held = redis.call('GET', KEYS[at])
  local stale = claim.epoch < tonumber(redis.call('HGET', KEYS[1], claim.partition) or 0)
  if held and not stale and string.sub(held, -#claim.origin) == claim.origin then
    redis.call('DEL', KEYS[at])
    if held == claim.document .. claim.origin then
      redis.call('DEL', KEYS[at + 1])
      for band = at + 2, at + 1 + claim.bands do
        if redis.call('GET', KEYS[band]) == claim.document then redis.call('DEL', KEYS[band]) end
      end
    end
  end
  at = at + 2 + claim.bands
end
