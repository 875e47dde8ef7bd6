-- How many items are where, at one instant.
-- KEYS     the seven of queue_common.lua
-- ARGV     1 now_ms
-- returns  { ready, waiting, of these due, leased, done, enrolled, number of tokens }
return {
  redis.call('ZCARD', READY),
  redis.call('ZCARD', WAITING),
  redis.call('ZCOUNT', WAITING, '-inf', ARGV[1]),
  redis.call('ZCARD', LEASED),
  redis.call('SCARD', DONE),
  redis.call('HLEN', ITEMS),
  redis.call('HLEN', TOKENS),
}
