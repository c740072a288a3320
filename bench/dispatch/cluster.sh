# What the programs of this folder share: a place for what they start, which is
# ended and removed with them, and a cluster of Spillway's in it. To be sourced, from
# the root of the project.

bin=$PWD/bin
here=$PWD/bench/dispatch
python=/usr/bin/python3 # Debian's, which has its packages
work=$(mktemp -d)
pids=()

# finish ends what was started, and removes what it wrote.
finish() {
	local code=$?
	trap '' INT TERM
	if [ "${#pids[@]}" -gt 0 ]; then kill "${pids[@]}" 2>/dev/null || true; fi
	wait
	rm -rf "$work"
	exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# give_up says why nothing is measured.
give_up() {
	echo "bench-dispatch: $1" >&2
	exit 1
}

# flag_values reads --NAME N, for the names given before --, into variables.
flag_values() {
	local known=()
	while [ "$1" != -- ]; do
		known+=("$1")
		shift
	done
	shift
	while [ $# -gt 0 ]; do
		local name=${1#--}
		case " ${known[*]} " in
		*" $name "*) ;;
		*) name= ;;
		esac
		if [ -z "$name" ] || ! [[ ${2:-} =~ ^[1-9][0-9]*$ ]]; then
			echo "bench-dispatch: ${1}: write$(printf ' --%s N' "${known[@]}"), each with a positive number" >&2
			exit 2
		fi
		printf -v "$name" %s "$2"
		shift 2
	done
}

# port is one that nobody listens on.
port() { $python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# make_inputs DIR N: files without content; operation none reads none.
make_inputs() {
	mkdir -p "$work/$1/input_dir"
	$python - "$work/$1/input_dir" "$2" <<'P'
import sys
for i in range(int(sys.argv[2])):
    open(f"{sys.argv[1]}/{i:07}.jpg", "w").close()
P
}

# start_nodes FLAGS...: two nodes, which machine.txt names.
start_nodes() {
	printf 'node_0 127.0.0.1:%s\nnode_1 127.0.0.1:%s\n' "$(port)" "$(port)" >"$work/machine.txt"
	local name
	for name in node_0 node_1; do
		(cd "$work" && exec "$bin/computenode" "$@" --name $name --isolate=off --seed 1) >"$work/$name.log" 2>&1 &
		pids+=($!)
	done
}

# start_server NAME FLAGS...: a server over the nodes; its address is in $work/NAME.addr.
start_server() {
	local name=$1
	shift
	local addr
	addr=127.0.0.1:$(port)
	echo "$addr" >"$work/$name.addr"
	(cd "$work" && exec "$bin/server" --listen "$addr" --http off --log-level warn --seed 1 "$@") >"$work/$name.log" 2>&1 &
	pids+=($!)
	for _ in $(seq 100); do
		if [ "$("$bin/client" --server "$addr" nodes 2>/dev/null | grep -c idle)" = 2 ]; then return; fi
		sleep 0.1
	done
	cat "$work"/*.log >&2
	give_up "the server $name does not see its two nodes"
}

# job_rate NAME DIR: tasks a second of one job, from the client's call to its end.
job_rate() {
	(cd "$work" && "$bin/client" --server "$(cat "$work/$1.addr")" --op none --policy random --json -q "$2") |
		$python -c 'import json, sys; j = json.loads(sys.stdin.readline()); assert j["state"] == "succeeded", j; print(j["done"] / j["elapsed_s"])'
}

# machine_line says where and with what it was measured.
machine_line() {
	local cpu
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -1)
	echo "$(nproc) cores ($cpu), $(go env GOVERSION), load average before it $load, seed 1."
}
load=$(cut -d' ' -f1 /proc/loadavg)
