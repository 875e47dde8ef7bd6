-- Declare a rebuild complete: claims are served from now on.
-- KEYS     the seven of queue_common.lua
-- ARGV     1 marker of the rebuild
-- returns  { 'complete' }, or { 'refused', state } when that rebuild is not the one under way
local state, marker = state_of_queue()
if state ~= 'rebuilding' or marker ~= ARGV[1] then return { 'refused', state } end
redis.call('HSET', META, 'generation', ARGV[1])
redis.call('HDEL', META, 'rebuilding')
return { 'complete' }
