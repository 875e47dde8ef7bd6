-- Reserve the agent who has been idle the longest, is present and has all skills asked for.
-- KEYS     1 state  2 idle  3 presence  4 skills (see agent_set.lua)
-- ARGV     1 now_ms  2 state to put the agent in  3... skills
-- returns  agent, or nil
local function fits(agent)
  if #ARGV == 2 then return true end
  local skills = redis.call('HGET', KEYS[4], agent) or '|'
  for i = 3, #ARGV do
    if not skills:find('|' .. ARGV[i] .. '|', 1, true) then return false end
  end
  return true
end

local now_ms = tonumber(ARGV[1])
local first = 0
while true do
  local agents = redis.call('ZRANGE', KEYS[2], first, first + 31)
  if #agents == 0 then return nil end
  local leases = redis.call('ZMSCORE', KEYS[3], unpack(agents))
  for i = 1, #agents do
    local agent = agents[i]
    if leases[i] and tonumber(leases[i]) > now_ms and fits(agent) then
      redis.call('ZREM', KEYS[2], agent)
      redis.call('HSET', KEYS[1], agent, ARGV[1] .. ' ' .. ARGV[2])
      return agent
    end
  end
  first = first + #agents
end
