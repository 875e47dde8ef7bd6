-- End the enrolment of items, wherever they are.
-- KEYS     the seven of queue_common.lua
-- ARGV     items
-- returns  how many were enrolled
local ranks = values_of(ITEMS, ARGV)
local seen, enrolled = {}, {}
for i = 1, #ARGV do
  if ranks[i] and not seen[ARGV[i]] then
    seen[ARGV[i]] = true
    enrolled[#enrolled + 1] = ARGV[i]
  end
end
take_out(enrolled)
each_slice('HDEL', ITEMS, enrolled)
return #enrolled
