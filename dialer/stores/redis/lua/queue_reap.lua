-- Lease items whose lease has run out anew, to the caller, who asks the ledger what became of them.
-- KEYS     the seven of queue_common.lua
-- ARGV     1 limit  2 now_ms  3 deadline_ms of the new lease  4 word of the token, unique to this
-- returns  { state }                                        when the queue is not complete
--          { 'complete', token, item, rank, item, rank ...} otherwise, longest expired first
local state = state_of_queue()
if state ~= 'complete' then return { state } end
local expired = redis.call('ZRANGEBYSCORE', LEASED, '-inf', ARGV[2], 'LIMIT', 0, ARGV[1])
if #expired == 0 then return { state, '' } end
local ranks = values_of(ITEMS, expired)
local reply = { state, lease(expired, ARGV[3], ARGV[4]) }
for i = 1, #expired do
  reply[2 * i + 1] = expired[i]
  reply[2 * i + 2] = ranks[i]
end
return reply
