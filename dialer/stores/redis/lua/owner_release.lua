-- Give a campaign up.
-- KEYS     1 lease  2 fence (see owner_acquire.lua)
-- ARGV     1 owner  2 token
-- returns  1, or 0 when somebody else has it or nobody
local lease = redis.call('HMGET', KEYS[1], 'owner', 'token')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then return 0 end
return redis.call('DEL', KEYS[1])
