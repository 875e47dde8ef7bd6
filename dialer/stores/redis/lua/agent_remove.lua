-- Forget an agent.
-- KEYS     1 state  2 idle  3 presence  4 skills (see agent_set.lua)
-- ARGV     1 agent  2 instant by which the presence must have run out, or ''
-- returns  1, or 0 when the agent is unknown or present
local lease = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not lease or (ARGV[2] ~= '' and tonumber(lease) > tonumber(ARGV[2])) then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('ZREM', KEYS[3], ARGV[1])
redis.call('HDEL', KEYS[4], ARGV[1])
return 1
