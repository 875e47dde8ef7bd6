-- Give leases another deadline.
-- KEYS     the seven of queue_common.lua
-- ARGV     1 deadline_ms, then item, token, item, token ...
-- returns  numbers (from 0) of the leases that were refused as stale
local items = {}
for i = 2, #ARGV, 2 do items[#items + 1] = ARGV[i] end
local tokens = values_of(TOKENS, items)
local deadlines, stale = {}, {}
for i = 1, #items do
  if tokens[i] and tokens[i] == ARGV[2 * i + 1] then
    deadlines[#deadlines + 1] = ARGV[1]
    deadlines[#deadlines + 1] = items[i]
  else
    stale[#stale + 1] = i - 1
  end
end
each_slice('ZADD', LEASED, deadlines)
return stale
