-- Prints a line for each connection that was opened or refused: time, both ends, SYNs sent again, and how long it took.
--
--   tcpkit -i eth0 -S tcp-connect.lua
--
-- It counts from the first SYN to the SYN/ACK that the client acknowledged, or to the RST. The time is the answer's.

local SYN, RST, ACK = 2, 4, 16
-- Attempts that wait for longer are forgotten, so that memory is bounded.
local PATIENCE, MOST = 300, 100000
local waiting, count = {}, 0

print("")
print("         Time                                 IP:Port                          Retries     Connect Cost(s)")
print("--------------------------  ---------------------------------------------- -------------- ---------------------")

local function forget_old(now)
  for key, attempt in pairs(waiting) do
    if now - attempt.at > PATIENCE then
      waiting[key] = nil
      count = count - 1
    end
  end
end

local function on_syn(packet, now)
  local key = table.concat({ packet.sip, packet.sport, packet.dip, packet.dport }, " ")
  local attempt = waiting[key]
  if attempt and attempt.seq == packet.seq then
    attempt.retries = attempt.retries + 1
    return
  end
  if not attempt then
    if count >= MOST then forget_old(now) end
    if count >= MOST then return end
    count = count + 1
  end
  waiting[key] = { at = now, seq = packet.seq, retries = 0, sec = packet.tv_sec, usec = packet.tv_usec }
end

local function tell(key, attempt, answer)
  waiting[key] = nil
  count = count - 1
  local ends = string.format("%s:%d => %s:%d", answer.dip, answer.dport, answer.sip, answer.sport)
  local time = string.format("%s.%06d", os.date("%Y-%m-%d %H:%M:%S", answer.tv_sec), answer.tv_usec)
  local cost = (answer.tv_sec - attempt.sec) + (answer.tv_usec - attempt.usec) / 1e6
  print(string.format("%26s %46s      %-12d %.6f", time, ends, attempt.retries, cost))
end

local function on_answer(packet, is_reset)
  local key = table.concat({ packet.dip, packet.dport, packet.sip, packet.sport }, " ")
  local attempt = waiting[key]
  if not attempt then return end
  attempt.answer = packet
  if is_reset then tell(key, attempt, packet) end
end

local function on_ack(packet)
  local key = table.concat({ packet.sip, packet.sport, packet.dip, packet.dport }, " ")
  local attempt = waiting[key]
  if attempt and attempt.answer then tell(key, attempt, attempt.answer) end
end

function process(packet)
  if not packet.flags then return end
  local is_set = function(flag) return bit32.band(packet.flags, flag) ~= 0 end
  if is_set(SYN) and not is_set(ACK) then
    on_syn(packet, packet.tv_sec + packet.tv_usec / 1e6)
  elseif is_set(SYN) or is_set(RST) then
    on_answer(packet, is_set(RST))
  elseif next(waiting) then
    on_ack(packet)
  end
end
