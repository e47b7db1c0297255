# What the clients of the demo do until the namespace goes. Argument: the server.
server=$1
# Files, one after the other, over connections of their own.
while :; do curl -s -m 9 -o /dev/null "http://$server/big"; sleep 0.3; done &
# Small ones over one connection, of which one is not there.
while :; do
  curl -s -m 9 -o /dev/null -o /dev/null -o /dev/null "http://$server/small" "http://$server/small" "http://$server/none"
  sleep 0.2
done &
# A slow reader.
while :; do curl -s -m 20 --limit-rate 300k -o /dev/null "http://$server/big"; sleep 1; done &
# Redis as usual, and a slow function, which all others wait for.
while :; do redis-benchmark -h "$server" -c 4 -n 2000 -t get,set,lpush -q >/dev/null; sleep 1; done &
while :; do redis-cli -h "$server" FCALL monthly_report 0 >/dev/null; sleep 4; done &
# Ports that nobody serves, that a firewall refuses, that nobody answers for, and one whose answer the client refuses.
while :; do
  for port in 9996 9997 9998 9999; do curl -s -m 1 "http://$server:$port/"; done
  sleep 3
done &
wait
