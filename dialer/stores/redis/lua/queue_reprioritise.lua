-- Give items another rank, wherever they are; it holds at once for ready ones, later for others.
-- KEYS     the seven of queue_common.lua
-- ARGV     item, rank, item, rank ...
-- returns  how many were enrolled
local items = {}
for i = 1, #ARGV, 2 do items[#items + 1] = ARGV[i] end
local old = values_of(ITEMS, items)
local entries = {}
local known = 0
for i = 1, #items do
  if old[i] then
    known = known + 1
    entries[#entries + 1] = items[i]
    entries[#entries + 1] = ARGV[2 * i]
  end
end
for i = 1, #entries, 2 do redis.call('ZADD', READY, 'XX', entries[i + 1], entries[i]) end
each_slice('HSET', ITEMS, entries)
return known
