-- Begin the time of a lease anew.
-- KEYS     1 lease  2 fence (see owner_acquire.lua)
-- ARGV     1 owner  2 token  3 lease_ms
-- returns  1, or 0 when somebody else has it or nobody
local lease = redis.call('HMGET', KEYS[1], 'owner', 'token')
if lease[1] ~= ARGV[1] or lease[2] ~= ARGV[2] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[3])
