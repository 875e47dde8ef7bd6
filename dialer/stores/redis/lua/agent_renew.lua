-- Prolong an agent's presence; never shortens it.
-- KEYS     1 state  2 idle  3 presence  4 skills (see agent_set.lua)
-- ARGV     1 agent  2 lease_until_ms
-- returns  1, or 0 when the agent is unknown
if not redis.call('ZSCORE', KEYS[3], ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[3], 'GT', ARGV[2], ARGV[1])
return 1
