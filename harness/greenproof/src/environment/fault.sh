#!/bin/sh
# Faults of the device, made by root on the device itself.
#
#   fault.sh begin NAME [KEY=VALUE…]   begins one, and notes it
#   fault.sh end NAME                  ends it; one that is over already is no error
#   fault.sh again                     begins each that is noted, when the device starts
#   fault.sh free NAME                 lifts what it mounted; only for who may mount, in the device's mount namespace
#
# What a start takes away (the rules of the network, what is in memory) comes again; what stands on the disk stays.
set -eu

noted=/etc/greenproof/faults    # a file a fault: its parameters
aside=/usr/share/greenproof/aside # a folder a fault: what was put aside, under its own path
staged=/etc/greenproof/staged   # files for folders that something is mounted on
device=eth0
throttle=ifb-greenproof

fail() { echo "$fault: $*" >&2; exit 1; }

# The value of a parameter; empty without it.
value() {
    for word in $parameters; do
        case $word in "$1="*) echo "${word#*=}" ;; esac
    done
}

# Puts files and folders aside. Each that is there is taken; one must be there, or have been.
put_aside() {
    mkdir -p "$aside/$fault"
    for path; do
        [ -e "$path" ] || [ -L "$path" ] || continue
        mkdir -p "$aside/$fault${path%/*}"
        mv "$path" "$aside/$fault$path"
    done
    [ -n "$(ls -A "$aside/$fault")" ] || fail "the device has none"
}

put_back() {
    [ -d "$aside/$fault" ] || return 0
    cp -a "$aside/$fault/." /
    rm -rf "${aside:?}/$fault"
}

paths_of() { for program; do command -v "$program" || true; done; }

users_home() { for user in ggc_user gg_component; do getent passwd "$user" | cut -d: -f6; done; }

# Fills a folder that something is mounted on: homes, and what the device was given.
fill() {
    path=$(value path)
    getent passwd | while IFS=: read -r _ _ user group _ home _; do
        case $home in "$path/"*) install -d -o "$user" -g "$group" -m 0755 "$home" ;; esac
    done
    [ ! -d "$staged$path" ] || cp -a "$staged$path/." "$path/"
}

# A chain of the packet filter for this fault alone: `chain WHENCE RULE…`.
chain() {
    iptables -w -N "$fault" 2>/dev/null || iptables -w -F "$fault"
    for hook; do
        case $hook in INPUT) there='-i' ;; *) there='-o' ;; esac
        iptables -w -C "$hook" ! $there lo -j "$fault" 2>/dev/null || iptables -w -I "$hook" ! $there lo -j "$fault"
    done
}

unchain() {
    iptables -w -D OUTPUT ! -o lo -j "$fault" 2>/dev/null || true
    iptables -w -D INPUT ! -i lo -j "$fault" 2>/dev/null || true
    iptables -w -F "$fault" 2>/dev/null && iptables -w -X "$fault" || true
}

# The rule that catches what opens a TLS connection to a host: its name as the client says it, after its length.
hello() {
    host=$(value host)
    iptables -w -A "$fault" -p tcp -m string --algo bm --from 40 --hex-string "$(printf '|00%04x|%s' ${#host} "$host")" "$@"
}

# Shapes what is sent, and what arrives by leading it over a device of its own.
slow_down() {
    bytes=$(value bytes)
    burst=$((bytes / 50)); [ "$burst" -ge 4096 ] || burst=4096
    speed_up
    shape="tbf rate ${bytes}bps burst $burst latency 2s"
    tc qdisc add dev "$device" root $shape
    ip link add "$throttle" type ifb || fail "this kernel has no ifb"
    ip link set "$throttle" up
    tc qdisc add dev "$throttle" root $shape
    tc qdisc add dev "$device" handle ffff: ingress
    tc filter add dev "$device" parent ffff: protocol all u32 match u32 0 0 action mirred egress redirect dev "$throttle"
}

speed_up() {
    tc qdisc del dev "$device" root 2>/dev/null || true
    tc qdisc del dev "$device" ingress 2>/dev/null || true
    ip link del "$throttle" 2>/dev/null || true
}

begin() {
    case $fault in
    device.no-sudo) put_aside $(paths_of sudo) ;;
    device.no-pip) put_aside $(paths_of pip pip3) /usr/lib/python3/dist-packages/pip ;;
    device.no-git) put_aside $(paths_of git) ;;
    device.no-jq) put_aside $(paths_of jq) ;;
    device.no-aws) put_aside $(paths_of aws) ;;
    device.no-home) put_aside $(users_home) ;;
    device.sudoers)
        [ -e "$aside/$fault" ] || { put_aside /etc/sudoers; cp -a "$aside/$fault/etc/sudoers" /etc/sudoers; }
        sed -i 's/^root\([[:space:]]*\)ALL *= *(ALL:ALL)/root\1ALL=(ALL)/' /etc/sudoers
        grep -q '^root[[:space:]]*ALL=(ALL)' /etc/sudoers || fail "/etc/sudoers has no rule for root" ;;
    device.externally-managed)
        for marker in $(dpkg-divert --list '*/EXTERNALLY-MANAGED' | cut -d' ' -f4); do
            dpkg-divert --quiet --local --rename --remove "$marker"
        done
        ls /usr/lib/python3*/EXTERNALLY-MANAGED >/dev/null 2>&1 || fail "this Debian's Python has no such marker" ;;
    device.noexec | device.read-only | disk.full) [ "$fault" = device.read-only ] || fill ;;
    device.memory) ;; # the engine's matter
    device.clock)
        library=$(find /usr/lib -name libfaketime.so.1 | head -n 1)
        [ -n "$library" ] || fail "the device has no libfaketime: add it to \`device.apt\`"
        case $(value shift) in -*) value shift ;; *) echo "+$(value shift)" ;; esac > /etc/faketimerc
        echo "$library" > /etc/ld.so.preload ;;
    net.cut)
        if [ -n "$(value host)" ]; then chain OUTPUT; hello -j DROP
        else chain OUTPUT INPUT; iptables -w -A "$fault" -j DROP; fi ;;
    net.reset) chain OUTPUT; hello -j REJECT --reject-with tcp-reset ;;
    net.loss)
        chain INPUT
        iptables -w -A "$fault" -m statistic --mode random --probability "$(value probability)" -j DROP ;;
    net.rate) slow_down ;;
    net.delay)
        tc qdisc del dev "$device" root 2>/dev/null || true
        tc qdisc add dev "$device" root netem delay "$(value seconds)s" 2>/dev/null || fail "this kernel has no netem" ;;
    *) fail "this device knows no such fault" ;;
    esac
}

end() {
    case $fault in
    device.no-* | device.sudoers) put_back ;;
    device.externally-managed)
        for marker in /usr/lib/python3*/EXTERNALLY-MANAGED; do
            [ ! -e "$marker" ] || dpkg-divert --quiet --local --rename \
                --divert /usr/share/greenproof/EXTERNALLY-MANAGED --add "$marker"
        done ;;
    device.clock) rm -f /etc/ld.so.preload /etc/faketimerc ;;
    net.rate | net.delay) speed_up ;;
    net.*) unchain ;;
    esac
}

verb=$1
shift
case $verb in
begin)
    fault=$1
    shift
    parameters=$*
    begin
    mkdir -p "$noted"
    echo "$parameters" > "$noted/$fault" ;;
end)
    fault=$1
    parameters=
    end
    rm -f "$noted/$fault" ;;
free)
    fault=$1
    [ ! -e "$noted/$fault" ] || while read -r parameters; do
        mount -o remount,rw,exec,size=90% "$(value path)"
    done < "$noted/$fault" ;;
again)
    for note in "$noted"/*; do
        [ -e "$note" ] || continue
        fault=${note##*/}
        while read -r parameters; do begin; done < "$note"
    done ;;
esac
