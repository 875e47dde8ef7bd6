-- Empty the queue and mark it as being rebuilt; what an earlier rebuild still loads is refused.
-- KEYS     the seven of queue_common.lua
-- ARGV     1 marker of this rebuild, never used before
-- returns  'OK'
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', META, 'rebuilding', ARGV[1])
return redis.status_reply('OK')
