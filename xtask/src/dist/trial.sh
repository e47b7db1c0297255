# Runs a command in a root as an unprivileged user with some capabilities, and scrapes it.
# Arguments: the root, the capabilities as setpriv(1) wants them, the command.
root=$1 capabilities=$2 command=$3
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
ip link set lo up
chroot "$root" setpriv --reuid 65534 --regid 65534 --clear-groups --no-new-privs \
    --bounding-set "-all,$capabilities" --inh-caps "-all,$capabilities" --ambient-caps "-all,$capabilities" \
    $command >"$root/tmp/events" 2>"$root/tmp/messages" &
service=$!
tries=0
until chroot "$root" curl -sf http://127.0.0.1:33333/healthz >/dev/null; do
    tries=$((tries + 1))
    if [ $tries -gt 150 ] || ! kill -0 $service; then
        echo "the service is not healthy; it said:" >&2
        cat "$root/tmp/messages" >&2
        exit 1
    fi
    sleep 0.2
done
# The scrapes themselves are the traffic.
chroot "$root" curl -sf http://127.0.0.1:33333/api/v1/ledger -o /tmp/answer
chroot "$root" curl -sf http://127.0.0.1:33333/api/v1/report -o /tmp/answer
grep -q '"ebpf"' "$root/tmp/answer"
# Another filter, by the file that the package installs, with the capabilities that the service has.
cp "$root/etc/tcpkit/tcpkit.toml" "$root/tmp/tcpkit.toml"
echo 'expression = "not port 1"' >>"$root/etc/tcpkit/tcpkit.toml"
kill -HUP $service
tries=0
until grep -q '"event":"reload"' "$root/tmp/events"; do
    tries=$((tries + 1))
    if [ $tries -gt 150 ] || ! kill -0 $service; then
        echo "the service does not reload; it said:" >&2
        cat "$root/tmp/messages" "$root/tmp/events" >&2
        exit 1
    fi
    sleep 0.2
done
grep -q '"outcome":"done","changed":\["expression"\]' "$root/tmp/events"
cat "$root/tmp/tcpkit.toml" >"$root/etc/tcpkit/tcpkit.toml"
kill -TERM $service
wait $service
rm "$root/tmp/answer" "$root/tmp/events" "$root/tmp/messages" "$root/tmp/tcpkit.toml"
