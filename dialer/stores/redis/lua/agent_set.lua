-- Set an agent's state; in the line of the idle ones if and only if that state is the idle one.
-- KEYS     1 state HASH agent -> 'SINCE_MS STATE'  2 idle ZSET by since_ms
--          3 presence ZSET by lease_until_ms       4 skills HASH agent -> '|a|b|'
-- ARGV     1 agent  2 state  3 '1' if that is the idle state  4 since_ms
--          5 state expected, or ''
--          6 lease_until_ms, or '' for an agent who must be known  7 '|a|b|', or '' to leave
-- returns  1, or 0 when the agent is unknown or not in the expected state
local agent = ARGV[1]
local old = redis.call('HGET', KEYS[1], agent)
if not old and ARGV[6] == '' then return 0 end
if ARGV[5] ~= '' and (not old or old:match('^%S+ (.*)$') ~= ARGV[5]) then return 0 end
redis.call('HSET', KEYS[1], agent, ARGV[4] .. ' ' .. ARGV[2])
if ARGV[3] == '1' then
  redis.call('ZADD', KEYS[2], ARGV[4], agent)
else
  redis.call('ZREM', KEYS[2], agent)
end
if ARGV[6] ~= '' then redis.call('ZADD', KEYS[3], ARGV[6], agent) end
if ARGV[7] ~= '' then redis.call('HSET', KEYS[4], agent, ARGV[7]) end
return 1
