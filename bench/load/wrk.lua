-- Sends the complete requests in the files named by its arguments in turn, and prints the result as JSON.
local requests = {}
local next_request = 0

function init(args)
  for i, path in ipairs(args) do
    local file = assert(io.open(path, "rb"))
    requests[i] = file:read("*a")
    file:close()
  end
end

function request()
  next_request = next_request % #requests + 1
  return requests[next_request]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"answers":%d,"seconds":%f,"mean":%f,"p50":%f,"p95":%f,"p99":%f,"max":%f,"status":%d,"broken":%d}\n',
    summary.requests - errors.status, summary.duration / 1e6, latency.mean / 1e3, latency:percentile(50) / 1e3,
    latency:percentile(95) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
