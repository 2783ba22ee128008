-- Takes claims of documents to stories back, each only if it was made from that very origin. With the claim that began a
-- story go its sketch and the bands that still lead to it, so that the next reprint begins it anew.
-- KEYS: the document key of each claim (all keys share one hash tag).
-- ARGV: 1 key prefix, 2 the claims as JSON [{document, origin (with the separator before it), bands}].
local prefix = ARGV[1]
for i, claim in ipairs(cjson.decode(ARGV[2])) do
  local held = redis.call('GET', KEYS[i])
  if held and string.sub(held, -#claim.origin) == claim.origin then
    redis.call('DEL', KEYS[i])
    if held == claim.document .. claim.origin then
      redis.call('DEL', prefix .. 's:' .. claim.document)
      for _, band in ipairs(claim.bands) do
        if redis.call('GET', prefix .. 'b:' .. band) == claim.document then redis.call('DEL', prefix .. 'b:' .. band) end
      end
    end
  end
end
