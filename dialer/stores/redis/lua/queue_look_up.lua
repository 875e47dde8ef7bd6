-- Where items are.
-- KEYS     the seven of queue_common.lua
-- ARGV     items
-- returns  for each item { rank or '', place }; place: 'ready', 'done', 'absent',
--          'waiting:NOT_BEFORE_MS' or 'leased:DEADLINE_MS'
local ranks = values_of(ITEMS, ARGV)
local reply = {}
for i = 1, #ARGV do
  local place = 'absent'
  if ranks[i] then
    local waiting = redis.call('ZSCORE', WAITING, ARGV[i])
    local leased = redis.call('ZSCORE', LEASED, ARGV[i])
    if waiting then
      place = 'waiting:' .. waiting
    elseif leased then
      place = 'leased:' .. leased
    elseif redis.call('ZSCORE', READY, ARGV[i]) then
      place = 'ready'
    elseif redis.call('SISMEMBER', DONE, ARGV[i]) == 1 then
      place = 'done'
    end
  end
  reply[i] = { ranks[i] or '', place }
end
return reply
