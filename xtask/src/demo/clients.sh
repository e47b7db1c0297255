# What the clients of the demo do until the namespace goes. Argument: the server.
server=$1
# Files, one after the other, over connections of their own.
while :; do curl -s -o /dev/null "http://$server/big"; sleep 0.3; done &
# Some small ones over one connection.
while :; do curl -s -o /dev/null -o /dev/null -o /dev/null "http://$server/small" "http://$server/small" "http://$server/none"; sleep 0.2; done &
# A slow reader.
while :; do curl -s --limit-rate 300k -o /dev/null "http://$server/big"; sleep 1; done &
# Redis as usual, and a slow script.
while :; do redis-benchmark -h "$server" -c 4 -n 2000 -t get,set,lpush -q >/dev/null; sleep 1; done &
slow="local t = redis.call('TIME'); local e = t[1] * 1000 + t[2] / 1000 + 300; repeat t = redis.call('TIME') until t[1] * 1000 + t[2] / 1000 > e; return 1"
while :; do redis-cli -h "$server" EVAL "$slow" 0 >/dev/null; sleep 4; done &
# Ports that nobody serves, or that nobody answers for.
while :; do curl -s -m 1 "http://$server:9998/"; curl -s -m 3 "http://$server:9999/"; sleep 3; done &
wait
