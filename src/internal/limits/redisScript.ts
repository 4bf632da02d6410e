/**
 * The exchange of a session with Redis, as one script. All of it happens at one instant of Redis's own clock.
 */
import * as Redis from "effect/persistence/Redis"
import * as Schema from "effect/Schema"
import type { Change, Request } from "./session.ts"

export interface Exchange {
  /** The member that sends the request. */
  readonly member: string
  /** Counts the exchanges of a member: changes that are sent twice in the same turn are applied once. */
  readonly turn: number
  readonly leaseMillis: number
  /** The prefix of the channels of connections. The name of a member begins with that of its connection, up to a slash. */
  readonly channel: string
  readonly buckets: ReadonlyArray<{
    readonly full: number
    readonly headroom: number
    readonly initial: number
    readonly price: number
    /** The creation of the bucket that the member saw last, and the milliseconds since then. */
    readonly born: string
    readonly age: number
  }>
  /** Buckets are counted from zero. */
  readonly news: ReadonlyArray<readonly [bucket: number, change: Change]>
  readonly pause: number
  readonly question: Request | undefined
  /** The most calls that may run at once over all members. */
  readonly concurrency: number | undefined
}

export const Reply = Schema.fromJsonString(Schema.Struct({
  granted: Schema.Boolean,
  /** `-1` when only a change by another member can make it due. */
  wait: Schema.Finite,
  paused: Schema.Finite,
  // Absent when there are none: Redis's JSON has no empty array. Numbers are strings, to keep all digits.
  buckets: Schema.optionalKey(Schema.Array(Schema.Struct({
    born: Schema.String,
    level: Schema.FiniteFromString,
    price: Schema.FiniteFromString,
    taken: Schema.FiniteFromString,
    recent: Schema.FiniteFromString,
    spent: Schema.FiniteFromString,
    lowered: Schema.FiniteFromString,
    owing: Schema.FiniteFromString
  })))
}))

/**
 * A bucket is a hash. The queue of the members is JSON: each member has a `lease`, the last `turn` that was applied, how many
 * calls it has `running`, and while it waits what it `want`s, its place (`seq`), and the time at which it was `told` to be due.
 *
 * When each member is due is computed by serving them in order, each at the first instant at which all buckets have what it
 * wants. A member that is due now takes it. The first of the queue is called on its channel when it becomes due earlier than it
 * was told. So the number of messages is bounded by the number of takings and changes.
 */
export const exchange = Redis.script(
  (keys: ReadonlyArray<string>, exchange: Exchange) => [...keys, JSON.stringify(exchange)],
  {
    numberOfKeys: (keys) => keys.length,
    lua: `
local q = cjson.decode(ARGV[1])
local time = redis.call("TIME")
local now = time[1] * 1000 + time[2] / 1000
local never = 1e15
local forgotten = 60000
local kept = 3600000
local journey = 200

local line = cjson.decode(redis.call("GET", KEYS[1]) or '{"members":{},"seq":0,"paused":0}')
local members = line.members
for id, member in pairs(members) do
  if member.lease < now then member.want, member.running = nil, 0 end
  if member.lease + forgotten < now then members[id] = nil end
end
local me = members[q.member] or { turn = 0, running = 0 }
members[q.member] = me
me.lease = now + q.leaseMillis

local buckets, named = {}, {}
for i, b in ipairs(q.buckets) do
  local key = KEYS[i + 1]
  local v = redis.call("HMGET", key, "born", "at", "level", "price", "lowered", "owing", "base", "recent", "spent")
  local s = { key = key, full = b.full, headroom = b.headroom, base = b.price, taken = 0, recent = 0, spent = 0 }
  if v[1] then
    s.born, s.price, s.lowered, s.owing = v[1], tonumber(v[4]), tonumber(v[5]), tonumber(v[6])
    local elapsed = math.max(0, now - tonumber(v[2]))
    s.level = math.min(b.full, tonumber(v[3]) + elapsed)
    s.spent = tonumber(v[9])
    s.recent = tonumber(v[8]) * math.exp(-elapsed / journey)
    -- It is configured anew.
    if tonumber(v[7]) ~= b.price then s.price = b.price end
  else
    s.born, s.price, s.lowered, s.owing = string.format("%d.%06d", time[1], time[2]), b.price, 0, 0
    s.level = b.initial
  end
  -- It was lost. Since the member saw it last it cannot have got more than what refills in the meantime.
  if b.born ~= "" and b.born ~= s.born then s.level = math.min(s.level, b.age) end
  buckets[i], named[key] = s, s
end

local function lower(s, millis)
  s.lowered = s.lowered + millis
  s.level = math.min(s.full, s.level - millis)
end

local changes = {
  release = function(s, c) s.level = math.min(s.full, s.level + c.n * s.price) end,
  settle = function(s, c) lower(s, c.n * s.price) end,
  fill = function(s) s.level = s.full end,
  withhold = function(s, c) s.owing = math.min(s.full, s.owing + c.n * s.price) end,
  price = function(s, c)
    if c.price == s.price then return end
    lower(s, (s.full - s.level) * (c.price / s.price - 1))
    s.price = c.price
  end,
  refused = function(s, c)
    if c.taken.born == s.born then lower(s, -c.taken.taken) end
  end,
  reconcile = function(s, c)
    if c.taken.born ~= s.born then return end
    local excess = c.taken.left - c.remaining * s.price - (s.lowered - c.taken.lowered)
    -- Of those who took at about the same time nobody knows who reached the provider first.
    local after = c.refused and 0 or s.spent - c.taken.spent
    local more = excess > 0 and math.max(0, excess - after)
      or -math.min(s.owing, math.max(0, -excess - s.headroom - c.taken.recent))
    s.owing = s.owing + more
    lower(s, more)
  end
}
if me.turn < q.turn then
  for _, entry in ipairs(q.news) do changes[entry[2].op](buckets[entry[1] + 1], entry[2]) end
  if q.pause > 0 then line.paused = math.max(line.paused, math.ceil(now + q.pause)) end
  me.turn = q.turn
end

local function plan()
  local waiting, running = {}, 0
  for id, member in pairs(members) do
    running = running + member.running
    if member.want then
      member.id = id
      waiting[#waiting + 1] = member
    end
  end
  table.sort(waiting, function(a, b) return a.seq < b.seq end)
  local at = math.max(now, line.paused)
  local levels = {}
  for key, s in pairs(named) do levels[key] = math.min(s.full, s.level + at - now) end
  for place, member in ipairs(waiting) do
    if q.concurrency and running + place > q.concurrency then at = never end
    local wait = 0
    for key, n in pairs(member.want) do
      local s = named[key]
      if s then wait = math.max(wait, math.min(n * s.price, s.full) - levels[key]) end
    end
    at = at + wait
    for key, s in pairs(named) do
      levels[key] = math.min(s.full, levels[key] + wait) - (member.want[key] or 0) * s.price
    end
    member.at = math.min(at, never)
  end
  return waiting
end

local function wanting(amounts)
  local want = {}
  for i, n in ipairs(amounts) do
    if n > 0 then want[buckets[i].key] = n end
  end
  return want
end

local function last()
  line.seq = line.seq + 1
  return line.seq
end

local granted, wait = false, 0
local question = q.question
if question then
  local place = me.want and me.seq
  me.want, me.running = nil, q.concurrency and question.running or 0
  if question.want then
    me.want, me.seq = wanting(question.want), place or last()
    plan()
    wait = me.at - now
    -- A microsecond is what the clock of Redis can tell.
    granted = wait <= 0.001
    if granted then
      for i, s in ipairs(buckets) do
        s.taken = question.want[i] * s.price
        s.level = s.level - s.taken
        s.spent = s.spent + s.taken
      end
      me.want, wait = nil, 0
      if q.concurrency then me.running = me.running + 1 end
      if question.next then me.want, me.seq = wanting(question.next), last() end
    elseif not question.waits then
      me.want = nil
    end
  end
end

for place, member in ipairs(plan()) do
  if member == me then
    wait = math.max(0, me.at - now)
    me.told = me.at
  elseif place == 1 and member.at < member.told - 1 then
    member.told = member.at
    redis.call("PUBLISH", q.channel .. string.match(member.id, "^[^/]*"), member.id)
  end
end
-- Of who neither waits nor runs nor has told anything, nothing is to be remembered.
if not me.want and me.running == 0 and #q.news == 0 then members[q.member] = nil end

local reply = {
  granted = granted,
  wait = wait >= never - now and -1 or wait,
  paused = math.max(0, line.paused - now),
  buckets = #buckets > 0 and {} or nil
}
local function exact(n) return string.format("%.17g", n) end
for i, s in ipairs(buckets) do
  redis.call("HSET", s.key, "born", s.born, "at", exact(now), "level", exact(s.level), "price", exact(s.price),
    "lowered", exact(s.lowered), "owing", exact(s.owing), "base", exact(s.base), "recent", exact(s.recent + s.taken),
    "spent", exact(s.spent))
  redis.call("PEXPIRE", s.key, math.ceil(s.full - s.level) + kept)
  reply.buckets[i] = {
    born = s.born, level = exact(s.level), price = exact(s.price), taken = exact(s.taken), recent = exact(s.recent), spent = exact(s.spent),
    lowered = exact(s.lowered), owing = exact(s.owing)
  }
end
for _, member in pairs(members) do member.id, member.at = nil, nil end
redis.call("SET", KEYS[1], cjson.encode(line), "PX", math.ceil(math.max(q.leaseMillis, line.paused - now)) + forgotten)
return cjson.encode(reply)
`
  }
).withReturnType<string>()
