-- Move what is due from waiting to ready, then lease the first of ready.
-- KEYS     the seven of queue_common.lua
-- ARGV     1 limit  2 now_ms  3 deadline_ms of the lease  4 word of the token, unique to this claim
--          5 how many due items to move from waiting at most
-- returns  { state }                                        when the queue is not complete
--          { 'complete', token, item, rank, item, rank ...} otherwise, best first
local state = state_of_queue()
if state ~= 'complete' then return { state } end
promote(ARGV[2], ARGV[5])
local popped = redis.call('ZPOPMIN', READY, ARGV[1])
if #popped == 0 then return { state, '' } end
local claimed = {}
for i = 1, #popped, 2 do claimed[#claimed + 1] = popped[i] end
local reply = { state, lease(claimed, ARGV[3], ARGV[4]) }
for i = 1, #popped do reply[i + 2] = popped[i] end
return reply
