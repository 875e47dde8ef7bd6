-- Prelude of every queue_*.lua: names of the keys, and what several scripts need.
--
-- KEYS  1 ready   ZSET  item by rank (= minus priority: the lowest rank goes first)
--       2 waiting ZSET  item by not_before_ms
--       3 leased  ZSET  item by deadline_ms of its lease
--       4 done    SET   items that are finished
--       5 items   HASH  item -> rank, for every enrolled item wherever it is
--       6 tokens  HASH  item -> lease token, for every leased item
--       7 meta    HASH  generation | rebuilding -> marker; fence -> number of the last claim
-- All have one hash tag. An item of `items` is in exactly one of KEYS 1-4, and in `tokens` if
-- and only if it is leased. Scripts read first and write after, so that an error changes nothing.

local READY, WAITING, LEASED, DONE, ITEMS, TOKENS, META = unpack(KEYS)

-- A call takes at most this many members: Lua's stack bounds `unpack`. Even, for pairs.
local SLICE = 4000

-- `redis.call(command, key, list...)` in slices; nothing for an empty list.
local function each_slice(command, key, list)
  for first = 1, #list, SLICE do
    redis.call(command, key, unpack(list, first, math.min(first + SLICE - 1, #list)))
  end
end

-- Values of `fields` in a hash, in their order; false where there is none.
local function values_of(key, fields)
  local values = {}
  for first = 1, #fields, SLICE do
    local last = math.min(first + SLICE - 1, #fields)
    local part = redis.call('HMGET', key, unpack(fields, first, last))
    for i = 1, #part do values[first + i - 1] = part[i] end
  end
  return values
end

-- 'complete', 'missing' or 'rebuilding', and the marker.
local function state_of_queue()
  local meta = redis.call('HMGET', META, 'generation', 'rebuilding')
  if meta[2] then return 'rebuilding', meta[2] end
  if meta[1] then return 'complete', meta[1] end
  return 'missing', ''
end

-- Take items out of wherever they are; `items` (the hash) is left to the caller.
local function take_out(list)
  each_slice('ZREM', READY, list)
  each_slice('ZREM', WAITING, list)
  each_slice('ZREM', LEASED, list)
  each_slice('SREM', DONE, list)
  each_slice('HDEL', TOKENS, list)
end

-- Sort placements into the lists that ZADD and SADD take. `place` is 'ready', 'done' or the
-- not_before_ms of a waiting item.
local function placer()
  local ready, waiting, done = {}, {}, {}
  local function add(item, rank, place)
    if place == 'ready' then
      ready[#ready + 1] = rank
      ready[#ready + 1] = item
    elseif place == 'done' then
      done[#done + 1] = item
    else
      waiting[#waiting + 1] = place
      waiting[#waiting + 1] = item
    end
  end
  local function write()
    each_slice('ZADD', READY, ready)
    each_slice('ZADD', WAITING, waiting)
    each_slice('SADD', DONE, done)
  end
  return add, write
end

-- Move at most `limit` waiting items that are due to ready; how many were moved.
local function promote(now_ms, limit)
  local due = redis.call('ZRANGEBYSCORE', WAITING, '-inf', now_ms, 'LIMIT', 0, limit)
  if #due == 0 then return 0 end
  local ranks = values_of(ITEMS, due)
  local pairs_of_due = {}
  for i = 1, #due do
    pairs_of_due[2 * i - 1] = ranks[i]
    pairs_of_due[2 * i] = due[i]
  end
  each_slice('ZADD', READY, pairs_of_due)
  redis.call('ZREMRANGEBYRANK', WAITING, 0, #due - 1)
  return #due
end

-- Lease `list` until `deadline_ms` under a token that was never used before: the caller's word,
-- which no other claim has, and a number that grows with every claim.
local function lease(list, deadline_ms, word)
  local token = word .. '.' .. redis.call('HINCRBY', META, 'fence', 1)
  local deadlines, tokens = {}, {}
  for i = 1, #list do
    deadlines[2 * i - 1] = deadline_ms
    deadlines[2 * i] = list[i]
    tokens[2 * i - 1] = list[i]
    tokens[2 * i] = token
  end
  each_slice('ZADD', LEASED, deadlines)
  each_slice('HSET', TOKENS, tokens)
  return token
end
