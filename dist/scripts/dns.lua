-- Prints a line for each DNS query by UDP that was answered: time, both ends, number, name, type and latency.
--
--   tcpkit -i eth0 --snaplen 512 -S dns.lua udp port 53
--
-- A query that is sent again counts from its first copy. A message that cannot be read is left alone.

local TYPES = {
  [1] = "A", [2] = "NS", [5] = "CNAME", [6] = "SOA", [12] = "PTR", [13] = "HINFO", [15] = "MX", [16] = "TXT",
  [28] = "AAAA", [33] = "SRV", [35] = "NAPTR", [39] = "DNAME", [43] = "DS", [46] = "RRSIG", [48] = "DNSKEY",
  [52] = "TLSA", [64] = "SVCB", [65] = "HTTPS", [252] = "AXFR", [255] = "ANY", [257] = "CAA",
}
-- Queries that wait for longer are forgotten, so that memory is bounded.
local PATIENCE, MOST = 60, 100000
local waiting, count = {}, 0

local function number16(text, at)
  local high, low = text:byte(at, at + 1)
  return low and high * 256 + low
end

-- The name at an offset, and where it ends; nil where it is cut, compressed or wrong.
local function name_at(text, at)
  local labels = {}
  while true do
    local len = text:byte(at)
    if not len or len > 63 or #labels > 127 then return nil end
    if len == 0 then return table.concat(labels, ".") .. ".", at + 1 end
    local label = text:sub(at + 1, at + len)
    if #label < len then return nil end
    labels[#labels + 1] = label:gsub("[^%w_-]", function(c) return string.format("\\%03d", c:byte()) end)
    at = at + len + 1
  end
end

local function forget_old(now)
  for key, query in pairs(waiting) do
    if now - query.at > PATIENCE then
      waiting[key] = nil
      count = count - 1
    end
  end
end

local function ask(key, packet, at)
  if waiting[key] then return end
  local name, behind = name_at(packet.payload, 13)
  local kind = name and number16(packet.payload, behind)
  if not kind then return end
  if count >= MOST then forget_old(at) end
  if count >= MOST then return end
  waiting[key] = { at = at, name = name, kind = TYPES[kind] or ("TYPE" .. kind) }
  count = count + 1
end

local function answer(key, id, packet, at)
  local query = waiting[key]
  if not query then return end
  waiting[key] = nil
  count = count - 1
  print(string.format("%s.%06d | %s:%d => %s:%d %d | %s | %s | %.3fms",
    os.date("%Y-%m-%d %H:%M:%S", packet.tv_sec), packet.tv_usec, packet.dip, packet.dport, packet.sip, packet.sport,
    id, query.name, query.kind, (at - query.at) * 1000))
end

function process(packet)
  if packet.seq or #packet.payload < 12 or number16(packet.payload, 5) ~= 1 then return end
  local id = number16(packet.payload, 1)
  local at = packet.tv_sec + packet.tv_usec / 1e6
  if packet.payload:byte(3) < 128 then
    ask(table.concat({ packet.sip, packet.sport, packet.dip, packet.dport, id }, " "), packet, at)
  else
    answer(table.concat({ packet.dip, packet.dport, packet.sip, packet.sport, id }, " "), id, packet, at)
  end
end
