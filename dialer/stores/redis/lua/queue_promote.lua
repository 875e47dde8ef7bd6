-- Move waiting items that are due to ready.
-- KEYS     the seven of queue_common.lua
-- ARGV     1 now_ms  2 how many at most
-- returns  how many were moved
return promote(ARGV[1], ARGV[2])
