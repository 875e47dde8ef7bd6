-- End leases: put items where they go next. A lease that is not the item's own any more changes
-- nothing.
-- KEYS     the seven of queue_common.lua
-- ARGV     item, token, place, item, token, place ...; place: 'ready', 'done' or not_before_ms
-- returns  numbers (from 0) of the settlements that were refused as stale
local items = {}
for i = 1, #ARGV, 3 do items[#items + 1] = ARGV[i] end
local tokens = values_of(TOKENS, items)
local ranks = values_of(ITEMS, items)
local add, write = placer()
local settled, seen, stale = {}, {}, {}
for i = 1, #items do
  local item = items[i]
  if tokens[i] and tokens[i] == ARGV[3 * i - 1] and not seen[item] then
    seen[item] = true
    settled[#settled + 1] = item
    add(item, ranks[i], ARGV[3 * i])
  else
    stale[#stale + 1] = i - 1
  end
end
each_slice('ZREM', LEASED, settled)
each_slice('HDEL', TOKENS, settled)
write()
return stale
