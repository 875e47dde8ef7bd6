-- Take tokens of a bucket. It counts millionths of a token in whole numbers: nothing is rounded.
-- KEYS     1 bucket HASH level (millionths of a token), at_ms (when it was last filled)
-- ARGV     1 how many are wanted  2 now_ms  3 rate, tokens in 1,000 s  4 burst: most it can hold
-- returns  how many are granted
local wanted, now_ms = tonumber(ARGV[1]), tonumber(ARGV[2])
local rate, burst = tonumber(ARGV[3]), tonumber(ARGV[4])
local bucket = redis.call('HMGET', KEYS[1], 'level', 'at_ms')
local full = burst * 1000000
local level = tonumber(bucket[1] or '0')
local at_ms = tonumber(bucket[2] or ARGV[2])
-- 1 ms brings rate / 1,000 / 1,000 tokens = rate millionths. The time is cut off where it fills
-- the bucket for certain, so that the product stays exact.
if now_ms > at_ms then
  level = level + math.min(now_ms - at_ms, math.ceil(full / rate)) * rate
  at_ms = now_ms
end
level = math.min(level, full)
local granted = math.min(wanted, math.floor(level / 1000000))
redis.call('HSET', KEYS[1],
  'level', string.format('%.0f', level - granted * 1000000), 'at_ms', string.format('%.0f', at_ms))
return granted
