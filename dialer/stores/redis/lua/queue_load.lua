-- Enrol items. One that is enrolled already stays as it is; with reset it is put where it is told,
-- and its lease, if any, ends. Of an item that comes twice in one call the first counts.
-- KEYS     the seven of queue_common.lua
-- ARGV     1 marker of the rebuild that this load belongs to, or ''  2 '1' to reset
--          then item, rank, place ...; place: 'ready', 'done' or not_before_ms
-- returns  { 'refused', state } when the queue is missing, or is not in that rebuild
--          { 'loaded', number added, number reset } otherwise
local state, marker = state_of_queue()
if ARGV[1] ~= '' then
  if state ~= 'rebuilding' or marker ~= ARGV[1] then return { 'refused', state } end
elseif state == 'missing' then
  return { 'refused', state }
end
local items = {}
for i = 3, #ARGV, 3 do items[#items + 1] = ARGV[i] end
local ranks = values_of(ITEMS, items)
local add, write = placer()
local seen, moved, entries = {}, {}, {}
local added = 0
for i = 1, #items do
  local item = items[i]
  if not seen[item] and (not ranks[i] or ARGV[2] == '1') then
    local rank = ARGV[3 * i + 1]
    if ranks[i] then moved[#moved + 1] = item else added = added + 1 end
    entries[#entries + 1] = item
    entries[#entries + 1] = rank
    add(item, rank, ARGV[3 * i + 2])
  end
  seen[item] = true
end
take_out(moved)
each_slice('HSET', ITEMS, entries)
write()
return { 'loaded', added, #moved }
