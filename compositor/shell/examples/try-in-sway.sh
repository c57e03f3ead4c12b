#!/bin/bash
# Runs the shell with faked services in a headless sway and takes a picture of each part.
#
#   try-in-sway.sh FOLDER [WIDTHxHEIGHT]
#
# FOLDER gets the pictures. Build first: cargo build -p argos-shell --profile ci --bins --examples.
# Debian packages: sway grim wtype libnotify-bin dbus fonts-inter fonts-jetbrains-mono.
set -euo pipefail
out=$(realpath -m "${1:?usage: try-in-sway.sh FOLDER [WIDTHxHEIGHT]}")
size=${2:-1280x800}
width=${size%x*} height=${size#*x}
bin=${CARGO_TARGET_DIR:-$(realpath "$(dirname "$0")/../../../target")}/ci
run=$(mktemp -d)
mkdir -p "$out" "$run/home"
export XDG_RUNTIME_DIR=$run HOME=$run/home DBUS_SESSION_BUS_ADDRESS=unix:path=$run/bus
pids=()
finish() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$run"
}
trap finish EXIT
start() { "$@" >>"$out/log" 2>&1 & pids+=($!); }
: >"$out/log"

start dbus-daemon --session --nofork --address="$DBUS_SESSION_BUS_ADDRESS"
printf 'output HEADLESS-1 resolution %s position 0 0\n' "$size" >"$run/sway.conf"
export WLR_BACKENDS=headless WLR_RENDERER=pixman WLR_LIBINPUT_NO_DEVICES=1
start sway -c "$run/sway.conf"
for _ in {1..100}; do [ -S "$run/wayland-1" ] && [ -S "$run/bus" ] && break; sleep 0.1; done
export WAYLAND_DISPLAY=wayland-1
# A seat without devices has neither keyboard nor pointer: these two stay plugged in.
start wtype -s 100000000 a
mkfifo "$run/pointer"
"$bin/examples/pointer" "$width" "$height" <"$run/pointer" >>"$out/log" 2>&1 & pids+=($!)
exec 7>"$run/pointer"
start "$bin/examples/fake_services"
start "$bin/argos-shell"
start "$bin/argos-shell" prompt
sleep 4

click() { echo "move $1 $2" >&7; sleep 0.4; echo click >&7; sleep 1.2; }
shell() { dbus-send --session --print-reply --dest=org.argos.Shell1 /org/argos/Shell1 "org.argos.Shell1.$1" "string:$2" >>"$out/log"; }
shot() { grim "$out/$1.png"; }

shot desktop
click 60 18; wtype fo; sleep 1; shot launcher; wtype -k Escape; sleep 1
click $((width - 26)) 18; shot power; click 300 $((height - 200))
click $((width - 66)) 18; shot chat-empty
wtype "Hello there"; wtype -k Return; sleep 4; shot chat
notify-send -a Kitchen "The tea is ready" "Ten minutes are over." -A ok=Thanks >/dev/null & pids+=($!)
sleep 1; shot notification
wtype "ask"; wtype -k Return; sleep 5; shot prompt
wtype -M alt -k o -m alt; sleep 2; shot answered
shell SetTheme light; sleep 1.5; shot light
grep -q "^answer once$" "$out/log" || { echo "the prompt's answer did not arrive; see $out/log" >&2; exit 1; }
echo "pictures in $out"
