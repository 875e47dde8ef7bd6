-- All agents of the team.
-- KEYS     1 state  2 idle  3 presence  4 skills (see agent_set.lua)
-- ARGV     none
-- returns  for each agent, by id, { agent, 'SINCE_MS STATE', lease_until_ms, '|a|b|' or '' }
local agents = redis.call('HKEYS', KEYS[1])
table.sort(agents)
local rows = {}
for i, agent in ipairs(agents) do
  rows[i] = {
    agent,
    redis.call('HGET', KEYS[1], agent),
    redis.call('ZSCORE', KEYS[3], agent),
    redis.call('HGET', KEYS[4], agent) or '',
  }
end
return rows
