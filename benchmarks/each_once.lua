-- For wrk: each of the written requests once, as they stand in the file that the first argument names.
-- A connection that finds none left stays idle; when all are, the time that passed and the processor time of wrk are printed.

local ffi = require("ffi")
ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } benchmark_time;
  int clock_gettime(int clock, benchmark_time *now);
]]
local MONOTONIC, PROCESSOR = 1, 2
local requests, idle, connections = {}, 0, 0
local began, worked

local function now(clock)
  local read = ffi.new("benchmark_time")
  ffi.C.clock_gettime(clock, read)
  return tonumber(read.seconds) + tonumber(read.nanoseconds) / 1e9
end

function init(arguments)
  local file = assert(io.open(arguments[1], "rb"))
  connections = tonumber(arguments[2])
  for length in function() return file:read("*n", 1) end do
    requests[#requests + 1] = file:read(length)
  end
  file:close()
end

local following, is_tried = 0, false

function request()
  if not is_tried then -- wrk asks for one that it looks at and does not send
    is_tried = true
    return requests[1]
  end
  began, worked = began or now(MONOTONIC), worked or now(PROCESSOR)
  following = following + 1
  if following <= #requests then
    return requests[following]
  end
  idle = idle + 1
  if idle == connections then
    io.write(string.format("seconds %.9f %.9f\n", now(MONOTONIC) - began, now(PROCESSOR) - worked))
    io.flush()
  end
  return ""
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format("requests %d\n", summary.requests))
  io.write(string.format("errors %d\n", errors.connect + errors.read + errors.write + errors.status + errors.timeout))
  for number = 1, #latency do
    local microseconds, count = latency(number)
    io.write(string.format("latency %d %d\n", microseconds, count))
  end
end
