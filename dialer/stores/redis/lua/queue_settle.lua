-- End leases: put items where they go next. A lease that is not the item's own any more changes
-- nothing.
-- KEYS     the seven of queue_common.lua
-- ARGV     1 lines of text: item, token, place, item, token, place ...; place: 'ready', 'done' or
--          not_before_ms. One argument, because a client takes its time over every single one.
-- returns  numbers (from 0) of the settlements that were refused as stale
local items, held, places = {}, {}, {}
for item, token, place in string.gmatch(ARGV[1], '([^\n]+)\n([^\n]+)\n([^\n]+)') do
  local n = #items + 1
  items[n], held[n], places[n] = item, token, place
end
local tokens = values_of(TOKENS, items)
local ranks = values_of(ITEMS, items)
local add, write = placer()
local settled, seen, stale = {}, {}, {}
for i = 1, #items do
  local item = items[i]
  if tokens[i] and tokens[i] == held[i] and not seen[item] then
    seen[item] = true
    settled[#settled + 1] = item
    add(item, ranks[i], places[i])
  else
    stale[#stale + 1] = i - 1
  end
end
each_slice('ZREM', LEASED, settled)
each_slice('HDEL', TOKENS, settled)
write()
return stale
