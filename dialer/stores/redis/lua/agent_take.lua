-- Reserve one agent, if idle and present.
-- KEYS     1 state  2 idle  3 presence  4 skills (see agent_set.lua)
-- ARGV     1 now_ms  2 state to put the agent in  3 agent
-- returns  1, or 0
local lease = redis.call('ZSCORE', KEYS[3], ARGV[3])
if not lease or tonumber(lease) <= tonumber(ARGV[1]) then return 0 end
if redis.call('ZREM', KEYS[2], ARGV[3]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[1] .. ' ' .. ARGV[2])
return 1
