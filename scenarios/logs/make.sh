#!/bin/sh
# Makes haproxy.log and nginx.log of this folder: a real HAProxy and a real nginx write them, with
# curl for users; then each visit is moved to a time of a day with a rush at noon.
#
# Wants haproxy, nginx (any, Debian's nginx-light will do), curl and awk.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'kill $(cat "$work"/*.pid 2>/dev/null) 2>/dev/null || true; rm -rf "$work"' EXIT

# Servers are frontends of HAProxy itself, each slower than the one before; fe-4 is not there.
cat > "$work/servers.cfg" <<EOF
defaults
    mode http
    timeout client 30s
    timeout connect 1s
    timeout server 30s
EOF
for server in 1:5 2:20 3:60 5:150 6:900; do
    cat >> "$work/servers.cfg" <<EOF
frontend fe-${server%:*}
    bind 127.0.0.1:1810${server%:*}
    timeout tarpit ${server#*:}ms
    http-request tarpit status 200 content-type text/html string "<h1>Shop</h1>"
EOF
done
cat > "$work/web.cfg" <<EOF
global
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option abortonclose
    timeout client 30s
    timeout connect 1s
    timeout server 30s
    timeout http-request 2s
frontend web
    bind 127.0.0.1:18080
    http-request redirect location /Shop/ if { path / }
    use_backend office if { path_beg /Office }
    default_backend shop
backend shop
    server fe-1 127.0.0.1:18101 check
    server fe-2 127.0.0.1:18102 check
    server fe-3 127.0.0.1:18103 check
    server fe-4 127.0.0.1:18104 check inter 1s
backend office
    server fe-5 127.0.0.1:18105
    server fe-6 127.0.0.1:18106
EOF
cat > "$work/nginx.conf" <<EOF
pid $work/nginx.pid;
error_log $work/nginx.error;
events {}
http {
    log_format timed '\$remote_addr - \$remote_user [\$time_local] "\$request" \$status '
        '\$body_bytes_sent "\$http_referer" "\$http_user_agent" \$request_time '
        '\$upstream_response_time';
    access_log $work/nginx.log timed;
    upstream shop { server 127.0.0.1:18101; server 127.0.0.1:18102; server 127.0.0.1:18103; }
    upstream office { server 127.0.0.1:18105; server 127.0.0.1:18106; }
    server {
        listen 127.0.0.1:18081;
        location / { proxy_pass http://shop; }
        location /Office { proxy_pass http://office; }
    }
}
EOF
haproxy -f "$work/servers.cfg" & echo $! > "$work/servers.pid"
haproxy -f "$work/web.cfg" > "$work/haproxy.log" & echo $! > "$work/haproxy.pid"
nginx -c "$work/nginx.conf"
sleep 4 # until the server that is not there is found to be down

# A visit: one client, one connection, two requests of the shop, now and then one of the office.
visits() {
    visit=0
    while [ $visit -lt "$2" ]; do
        visit=$((visit + 1))
        client=127.0.0.$((visit % 200 + 2))
        set -- "$1" "$2" "$1/Shop/Product.aspx?Id=$visit" "$1/Shop/Basket.aspx"
        [ $((visit % 8)) -ne 0 ] || set -- "$@" "$1/Office/Orders.aspx"
        base=$1 count=$2
        shift 2
        curl -s --interface "$client" -A Mozilla/5.0 "$@" > /dev/null
        set -- "$base" "$count"
    done
    # One gives up, one asks for nothing, one is sent to the right page.
    curl -s -m 0.05 -A Mozilla/5.0 "$1/Office/Orders.aspx" > /dev/null || true
    printf 'nonsense\r\n\r\n' | curl -s -m 1 "telnet://${1#http://}" > /dev/null || true
    curl -s -A Mozilla/5.0 "$1/" > /dev/null
}
visits http://127.0.0.1:18080 150
visits http://127.0.0.1:18081 150
sleep 1

# Each visit (lines of the same client, one after the other) is moved as a whole, so that times
# taken and gaps stay what they were: two thirds to the three minutes from noon on, the others over
# the day, most of them in its middle.
spread() {
    awk -v haproxy="$2" '
        function ms(text,  part) { # hh:mm:ss, and .mmm where there are any
            split(text, part, /[:.]/)
            return ((part[1] * 60 + part[2]) * 60 + part[3]) * 1000 + part[4]
        }
        function start(visit,  turn, share) {
            if (visit % 3) return 43200000 + (visit * 1193) % 179000
            turn = (visit / 3) / 51 # from 0 to nearly 1
            share = turn - 0.12 * sin(2 * 3.14159265 * turn)
            return int(60000 + share * 86000000)
        }
        {
            at = match($0, /\[[0-9][0-9]\/[A-Z][a-z][a-z]\/[0-9]+:/)
            if (!at) { print; next } # an event of HAProxy
            from = at + RLENGTH
            long = haproxy ? 12 : 8
            now = ms(substr($0, from, long))
            client = $1; sub(/:[0-9]*$/, "", client)
            if (client != last) { base = start(visit++); first = now; last = client }
            t = base + now - first
            text = sprintf("%02d:%02d:%02d", t / 3600000, t / 60000 % 60, t / 1000 % 60)
            if (haproxy) text = text sprintf(".%03d", t % 1000)
            print substr($0, 1, at) "16/Nov/2026:" text substr($0, from + long)
        }' "$1"
}
spread "$work/haproxy.log" 1 > "$here/haproxy.log"
spread "$work/nginx.log" 0 > "$here/nginx.log"
wc "$here"/*.log
