-- KEYS: the account ('' for none), the revocation ('' for none). ARGV: a request's period in microseconds, the burst.
-- Gives {0, 0} for admitted, {1, microseconds to wait}, {2, milliseconds for which it is revoked, -1 for ever}.
if KEYS[2] ~= '' then
  local left = redis.call('PTTL', KEYS[2])
  if left ~= -2 then return {2, left} end
end
if KEYS[1] == '' then return {0, 0} end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local period = tonumber(ARGV[1])
local tolerance = period * tonumber(ARGV[2])
local forgiven = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) + period
local wait = forgiven - tolerance - now
if wait > 0 then return {1, math.ceil(wait)} end
redis.call('SET', KEYS[1], string.format('%.3f', forgiven), 'PX', math.ceil((forgiven - now) / 1000))
return {0, 0}
