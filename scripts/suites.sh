# shellcheck shell=bash
# The suites of scripts/test. Each leaves a file with `passed failed skipped`
# in build/test/results; finish_results adds them up. Everything has its time
# limit.

RESULTS=build/test/results
LOGS=build/test/logs

start_results()
{
  rm -rf build/test
  mkdir -p "$RESULTS" "$LOGS"
  SECONDS=0
}

stop_children()
{
  local children
  children=$(jobs -p)
  # shellcheck disable=SC2086 # one word for each
  [ -z "$children" ] || kill $children 2>/dev/null
}

# limited SECONDS COMMAND...: in the background and waited for, so that the
# script hears a signal meanwhile. The command's whole process group ends with
# its time.
limited()
{
  local limit=$1
  shift
  timeout --kill-after=10 "$limit" "$@" </dev/null &
  wait $!
}

# record NAME PASSED FAILED SKIPPED
record()
{
  printf '%s %s %s\n' "$2" "$3" "$4" >"$RESULTS/${1//[^A-Za-z0-9_.-]/_}"
}

finish_results()
{
  local passed=0 failed=0 skipped=0 p f s file
  for file in "$RESULTS"/*; do
    read -r p f s <"$file"
    passed=$((passed + p))
    failed=$((failed + f))
    skipped=$((skipped + s))
    if [ "$f" -gt 0 ]; then
      say "failed in: $(basename "$file")"
    fi
  done
  say "$skipped skipped, $SECONDS seconds, logs in $LOGS"
  say "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# gate NAME SECONDS COMMAND...: one test, good when the command's status is 0.
gate()
{
  local name=$1 limit=$2 log status started=$SECONDS
  shift 2
  log=$LOGS/${name//[^A-Za-z0-9_.-]/_}
  limited "$limit" "$@" >"$log" 2>&1
  status=$?
  if [ "$status" -eq 0 ]; then
    say "ok      $name ($((SECONDS - started)) s)"
    record "$name" 1 0 0
    return 0
  fi
  [ "$status" -ne 124 ] || say "time limit of $limit s" >>"$log"
  {
    say "FAILED  $name (status $status)"
    tail -n 40 "$log" | sed 's/^/    /'
  }
  record "$name" 0 1 0
  return 1
}

# build_gate NAME FOLDER [CMAKE OPTION...]
build_gate()
{
  local name=$1 log=$LOGS/build-$1 started=$SECONDS
  shift
  if build "$@" >"$log" 2>&1; then
    [ "$name" != plain ] || grep '^-- covet:' "$log"
    say "ok      build $name ($((SECONDS - started)) s)"
    record "build-$name" 1 0 0
    return 0
  fi
  say "FAILED  build $name"
  sed 's/^/    /' "$log"
  record "build-$name" 0 1 0
  return 1
}

# run_units LABEL FOLDER [WRAPPER...]: each cmocka program, and its tests
# counted. One that dies counts as one failure more.
run_units()
{
  local label=$1 folder=$2 source program name log status run failed
  shift 2
  for source in spec/unit/*.c; do
    [ -e "$source" ] || return
    program=$folder/unit/$(basename "$source" .c)
    name=unit-$label-$(basename "$program")
    log=$LOGS/$name
    COVET_BUILD_DIR=$PWD/$folder limited 300 "$@" "$program" >"$log" 2>&1
    status=$?
    run=$(sed -n 's/.* \([0-9]*\) test(s) run\..*/\1/p' "$log" |
      awk '{ n += $1 } END { print n + 0 }')
    failed=$(sed -n 's/.*FAILED  \] \([0-9]*\) test(s), listed.*/\1/p' "$log" |
      awk '{ n += $1 } END { print n + 0 }')
    if [ "$status" -ne 0 ] && [ "$failed" -eq 0 ]; then
      failed=1
      run=$((run > 0 ? run : 1))
    fi
    record "$name" $((run - failed)) "$failed" 0
    if [ "$failed" -gt 0 ]; then
      say "FAILED  $name ($failed of $run, status $status)"
      grep -v -E '\[ (RUN|  *OK) ' "$log" | tail -n 40 | sed 's/^/    /'
    else
      say "ok      $name ($run)"
    fi
  done
}

# simulate LABEL FOLDER SEED SCHEDULES: the pool's simulator; what it prints
# names the seed.
simulate()
{
  local label=$1 folder=$2 seed=$3 schedules=$4
  gate "pool simulator $label seed $seed" 300 "$folder/covet_pool_sim" \
    --seed "$seed" --schedules "$schedules" &&
    sed '/^$/d; s/^/        /' "$LOGS/pool_simulator_${label}_seed_$seed"
}

# Each mutant of the pool has to be caught by an invariant, not by a crash.
catch_mutants()
{
  local folder=$1 patch name log status caught=0 missed=0
  gate 'build pool mutants' 300 cmake --build "$folder" --target pool_mutants ||
    return
  for patch in spec/unit/pool_sim/mutants/*.patch; do
    name=$(basename "$patch" .patch)
    log=$LOGS/mutant-$name
    limited 60 "$folder/mutants/$name" --schedules 20000 >"$log" 2>&1
    status=$?
    if [ "$status" -eq 1 ] && grep -q '^FAILED  invariant:' "$log"; then
      caught=$((caught + 1))
    else
      say "FAILED  the pool's mutant $name is not caught (status $status)"
      missed=$((missed + 1))
    fi
  done
  record pool-mutants "$caught" "$missed" 0
  [ "$missed" -gt 0 ] || say "ok      pool mutants ($caught)"
}

# Every spec below the given files and folders, or all there are.
find_specs()
{
  find "${@:-spec}" -name '*_spec.lua' -not -path '*/build/*' | sort
}

# start_one NAME START
start_one()
{
  local name=$1 started=$SECONDS
  if "$2"; then
    say "ok      start $name ($((SECONDS - started)) s)"
    record "servers-$name" 1 0 0
  elif [ -n "${CI:-}" ]; then
    say "FAILED  $SERVER_ERROR"
    record "servers-$name" 0 1 0
  else
    say "skipped $name: $SERVER_ERROR"
    record "servers-$name" 0 0 1
  fi
}

# start_servers [PATH...]: those that specs below PATH ask for.
start_servers()
{
  local files
  mapfile -t files < <(find_specs "$@")
  if grep -qE 'spec\.support\.(database|postgresql)|COVET_PG_' "${files[@]}"
  then
    start_one 'PostgreSQL and PgBouncer' start_postgresql
  fi
  if grep -qE 'spec\.support\.(database|mysql)|COVET_MYSQL_' "${files[@]}"; then
    start_one MariaDB start_mysql
  fi
}

# run_spec LABEL FOLDER FILE: in a process of its own, so that a crash or a
# hang costs one file.
run_spec()
{
  local label=$1 folder=$2 file=$3 name counts log limit=300 status p f s
  name=spec-$label-${file//\//-}
  counts=$LOGS/$name.counts
  log=$LOGS/$name
  [ "$label" = plain ] || limit=900
  COVET_BIN=$PWD/$folder/covet COVET_BUILD_DIR=$PWD/$folder \
    COVET_SPEC_BUILD=$label COVET_SPEC_COUNTS=$counts \
    COVET_SPEC_TMP=$PWD/build/tmp/$label \
    limited "$limit" "$folder/covet" spec/run.lua "$file" >"$log" 2>&1
  status=$?
  if read -r p f s < <(sed -n 's/^counts: //p' "$counts" 2>/dev/null); then
    # All tests ran; the process can still have ended badly (a sanitizer).
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then
      f=1
      say "the specs passed, but the process ended with status $status" >>"$log"
    fi
  else
    p=0 f=1 s=0
    say "ended with status $status; $(cat "$counts" 2>/dev/null)" >>"$log"
  fi
  record "$name" "$p" "$f" "$s"
  if [ "$f" -gt 0 ]; then
    say "FAILED  $file, $label build: $p passed, $f failed"
    tail -n 80 "$log" | sed 's/^/    /'
  else
    say "ok      $file, $label build: $p passed$([ "$s" -eq 0 ] ||
      say ", $s skipped")"
    grep '^  skipped' "$log" || true
  fi
}

# run_specs LABEL FOLDER [PATH...]
run_specs()
{
  local label=$1 folder=$2 file
  shift 2
  if [ ! -x "$folder/covet" ]; then
    say "FAILED  specs, $label build: there is no $folder/covet"
    record "spec-$label" 0 1 0
    return
  fi
  while IFS= read -r file; do
    run_spec "$label" "$folder" "$file"
  done < <(find_specs "$@")
}

# Every workload of the benchmark on tiny sizes; what it measures does not count.
run_bench()
{
  local database
  for database in runtime sqlite ${COVET_PG_URL:+postgresql} \
      ${COVET_MYSQL_URL:+mysql}; do
    gate "bench $database" 120 build/covet bench/run.lua --build build \
      --database "$database" --tiny
  done
  export -f check_bench_pages
  gate 'bench pages' 20 bash -c check_bench_pages
}

# Whether the pages of the benchmark are what its raw results say.
check_bench_pages()
{
  local page
  rm -rf build/test/bench
  build/covet bench/render.lua bench build/test/bench || return
  while IFS= read -r page; do
    if ! diff -u "bench/$page" "build/test/bench/$page"; then
      echo "out of date: scripts/bench --render"
      return 1
    fi
  done < <(cd build/test/bench && find . -type f)
}

# --- The lanes ----------------------------------------------------------------

# The whole suite once more with AddressSanitizer and UBSan; some specs, which use none of
# the shared servers, in the other lane. COVET_SPEC_PRELOAD is for specs that load
# covet's module into a foreign program.
OTHER_LANE_SPECS=(spec/embed spec/sqlite)

# sanitized_specs PATH...
sanitized_specs()
{
  COVET_SPEC_PRELOAD=$(gcc -print-file-name=libasan.so) \
    ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 \
    UBSAN_OPTIONS=print_stacktrace=1 run_specs asan build/asan "$@"
}

address_sanitizer_lane()
{
  local folder folders=()
  trap 'stop_children; exit 143' TERM
  build_gate asan build/asan -DCOVET_ASAN=ON -DCOVET_TESTS=ON || return
  ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 \
    UBSAN_OPTIONS=print_stacktrace=1 run_units asan build/asan
  simulate asan build/asan 1 3000
  for folder in spec/*; do
    if [[ " ${OTHER_LANE_SPECS[*]} " != *" $folder "* ]]; then
      folders+=("$folder")
    fi
  done
  sanitized_specs "${folders[@]}"
}

# ThreadSanitizer's memory layout and the kernel's random one may not agree.
without_aslr()
{
  if setarch -R true 2>/dev/null; then
    printf 'setarch\n-R\n'
  fi
}

run_fuzzers()
{
  local source name corpus seeds
  for source in spec/fuzz/*.c; do
    name=$(basename "$source" .c)
    corpus=build/fuzz/corpus/$name
    seeds=()
    mkdir -p "$corpus"
    [ ! -d "spec/fuzz/$name" ] || seeds=("spec/fuzz/$name")
    gate "fuzz $name" 60 "build/fuzz/fuzz/$name" -max_total_time="${COVET_FUZZ_SECONDS:-10}" \
      -timeout=5 -rss_limit_mb=2048 -artifact_prefix="$corpus-" \
      "$corpus" "${seeds[@]}"
  done
}

# Rows that do not come out of libpq's buffer: what a libpq of another version gets.
check_plain_libpq()
{
  build_gate libpq build/libpq -DCOVET_LIBPQ_BUFFER=OFF -DCOVET_TESTS=OFF || return
  run_specs libpq build/libpq spec/postgresql/results_spec.lua \
    spec/postgresql/cancel_spec.lua spec/db/stream_spec.lua spec/db/rows_spec.lua
}

other_checks_lane()
{
  local wrapper
  trap 'stop_children; exit 143' TERM
  run_lint
  check_plain_libpq
  simulate plain build 1 100000
  simulate plain build fresh 30000
  catch_mutants build
  run_units valgrind build valgrind --quiet --error-exitcode=99 \
    --leak-check=full --errors-for-leak-kinds=definite,indirect \
    --num-callers=20
  if build_gate tsan build/tsan -DCOVET_TSAN=ON -DCOVET_TESTS=ON \
      -DCOVET_HOST=OFF; then
    mapfile -t wrapper < <(without_aslr)
    TSAN_OPTIONS=exitcode=66 run_units tsan build/tsan "${wrapper[@]}"
  fi
  if compgen -G 'spec/fuzz/*.c' >/dev/null &&
      CC=clang build_gate fuzz build/fuzz -DCOVET_FUZZ=ON -DCOVET_TESTS=OFF \
        -DCOVET_HOST=OFF; then
    run_fuzzers
  fi
  sanitized_specs "${OTHER_LANE_SPECS[@]}" # long after the other lane has built it
}

# --- The gates ------------------------------------------------------------------

# Arrows point down only (docs/architecture.md): print includes and requires
# that point up, and fail if there are any.
check_layers()
{
  local bad=0
  if grep -rnE '#include [<"](lua|lauxlib|luajit|sqlite3|libpq|mysql)' src/core
  then
    bad=1
  fi
  if grep -rnE '#include [<"](lua|lauxlib|luajit)' src/driver; then
    bad=1
  fi
  if grep -rnE "require *\(?[\"']covet\.core" lua/covet/orm* lua/covet/pipeline* \
      2>/dev/null; then
    bad=1
  fi
  return "$bad"
}

# One file for each run: clang-tidy 14 confuses va_lists of several.
tidy_sources()
{
  local output status
  output=$(find src -name '*.c' -print0 |
    xargs -0 -n 1 -P 2 clang-tidy --quiet -p build 2>/dev/null)
  status=$?
  grep --color=never -E -A 3 '(error|warning):' <<<"$output"
  return "$status"
}

run_lint()
{
  local lua_folders=() folder
  for folder in lua spec examples bench; do
    if compgen -G "$folder" >/dev/null; then
      lua_folders+=("$folder")
    fi
  done
  export -f check_layers tidy_sources
  gate layers 10 bash -c check_layers
  gate clang-format 60 scripts/format --check
  gate luacheck 60 luacheck --quiet --no-color --formatter plain \
    "${lua_folders[@]}"
  gate ldoc 60 ldoc --quiet --fatalwarnings .
  gate cppcheck 120 cppcheck --quiet --std=c11 --error-exitcode=1 \
    --enable=warning,performance,portability --inline-suppr \
    --suppress=missingIncludeSystem -I src src
  gate clang-tidy 480 bash -c tidy_sources
}
