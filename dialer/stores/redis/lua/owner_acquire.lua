-- Take a campaign, if nobody else has it.
-- KEYS     1 lease HASH owner, token; lives as long as the lease  2 fence: the last token, for ever
-- ARGV     1 owner  2 lease_ms
-- returns  token (as text: it has more digits than Lua prints by itself), or nil
local lease = redis.call('HMGET', KEYS[1], 'owner', 'token')
if lease[1] and lease[1] ~= ARGV[1] then return nil end
local token = lease[2]
if not token then
  local clock = redis.call('TIME')
  local last = tonumber(redis.call('GET', KEYS[2]) or '0')
  local now_us = tonumber(clock[1]) * 1000000 + tonumber(clock[2])
  token = string.format('%.0f', math.max(last + 1, now_us))
  redis.call('SET', KEYS[2], token)
  redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', token)
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return token
