#!/usr/bin/env bash
# Where covet's time goes in W1, W2 and W3, by perf: a table for each database.
#
#   scripts/servers bench/profile.sh [DATABASE...]     sqlite postgresql mysql
#
# Shares of the processor's time of the whole process: user's and kernel's, all
# threads; then, of the thread of Lua, what LuaJIT's profiler found it at. The workloads
# are long enough for the start not to count. The build folder (COVET_BUILD, build) must
# have the benchmark's programs: scripts/bench --tiny.
set -eu

cd "$(dirname "$0")/.."
build=${COVET_BUILD:-build}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Parts by the file that the samples fell into.
tally()
{
  awk -v name="$1" '
    {
      share = $1 + 0; file = $2
      if (file ~ /kernel|vdso/) part = "kernel"
      else if (file ~ /libluajit/) part = "luajit"
      else if (file ~ /^\[JIT\]/) part = "compiled"
      else if (file ~ /libpq|libmariadb|libsqlite3/) part = "library"
      else if (file ~ /libssl|libcrypto/) part = "tls"
      else if (file ~ /libc\.|libm\.|ld-linux/) part = "libc"
      else if (file ~ /libuv/) part = "libuv"
      else if (file == "covet") part = "covet"
      else part = "rest"
      sum[part] += share
    }
    END {
      printf "| %s |", name
      n = split("kernel library covet libuv luajit compiled libc", order, " ")
      for (i = 1; i <= n; i++) printf " %.0f |", sum[order[i]]
    }'
}

# Lines such as "41%  C code" of LuaJIT's profiler.
tally_lua()
{
  awk '
    /^ *[0-9]+%/ { share = $1 + 0; sub(/^ *[0-9]+% */, ""); sum[$0] = share }
    END {
      n = split("Compiled,Interpreted,C code,Garbage Collector,JIT Compiler", order, ",")
      for (i = 1; i <= n; i++) printf " %d |", sum[order[i]]
      print ""
    }'
}

# profile NAME DATABASE TARGET WORKLOAD COUNT [VARIANT]
profile()
{
  local name=$1 database=$2 target=$3
  shift 3
  perf record -q -F 4999 -o "$work/data" "$build/covet" "bench/$database/covet.lua" \
    "$1" "$target" "${@:2}" >"$work/line" 2>/dev/null
  perf report -i "$work/data" --sort dso 2>/dev/null |
    sed -n 's/^ *\([0-9.]*\)% *\(.*[^ ]\) *$/\1 \2/p' | tally "$name"
  "$build/covet" bench/profile.lua -v "$database" "$1" "$target" "${@:2}" 2>/dev/null |
    tally_lua
  if [ -n "${COVET_PROFILE_SYMBOLS:-}" ]; then
    perf report -i "$work/data" --sort dso,symbol 2>/dev/null | grep '%' |
      head -n "$COVET_PROFILE_SYMBOLS" >&2
  fi
}

target_of()
{
  case $1 in
    sqlite) echo "$build/bench/profile.db" ;;
    postgresql) echo "$COVET_PG_URL?sslmode=disable" ;;
    mysql) echo "$COVET_MYSQL_URL" ;;
  esac
}

[ $# -gt 0 ] || set -- sqlite postgresql mysql
for database in "$@"; do
  target=$(target_of "$database")
  "$build/bench/covet_bench_$database" prepare "$target" 50000 1000000 >/dev/null
  printf '\n%s, %% of the samples\n\n' "$database"
  echo "| | kernel | client library | covet's C | libuv | LuaJIT | its compiled code | libc |" \
    "compiled | interpreted | in C | collecting | compiling |"
  echo "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
  profile "W1" "$database" "$target" W1 60000
  profile "W2" "$database" "$target" W2 200000
  profile "W3 named" "$database" "$target" W3 1000000 named
  profile "W3 record" "$database" "$target" W3 1000000 record
done
