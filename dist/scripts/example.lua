-- Prints a line for each packet with payload: time, both ends, direction, for TCP the numbers, then size and payload.
--
--   tcpkit -r FILE -S example.lua
--
-- A script for tcpkit defines process(packet). The packet has tv_sec, tv_usec, sip, sport, dip, dport, request (it goes
-- to the server), size (octets of payload on the wire) and payload (as many of them as were captured); TCP also has
-- seq, ack, flags (FIN 1, SYN 2, RST 4, PSH 8, ACK 16), all_flags and window.

local function time_of(packet)
  return string.format("%s.%06d", os.date("%Y-%m-%d %H:%M:%S", packet.tv_sec), packet.tv_usec)
end

function process(packet)
  if packet.size == 0 then return end
  local words = {
    time_of(packet),
    string.format("%s:%d=>%s:%d", packet.sip, packet.sport, packet.dip, packet.dport),
    packet.request and "REQ" or "RSP",
  }
  if packet.seq then
    words[#words + 1] = string.format("%.0f %.0f %d", packet.seq, packet.ack, packet.flags)
  end
  words[#words + 1] = packet.size
  words[#words + 1] = packet.payload
  print(table.concat(words, " "))
end
