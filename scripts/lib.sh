# shellcheck shell=bash disable=SC2034
# What the scripts share: installing packages, building, reporting.
# Sourced, with the repository as the working directory.

# A name with `|` has alternatives; the first is what gets installed.
BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build 'pkg-config|pkgconf'
  'libluajit2-5.1-dev|libluajit-5.1-dev' libuv1-dev libsqlite3-dev libpq-dev
  libmariadb-dev libkrb5-dev libedit-dev libmimalloc-dev lua-luv-dev
  lua-argparse)
TEST_PACKAGES=('luajit2|luajit' lua-busted lua-luv libcmocka-dev sqlite3
  nginx-core libnginx-mod-http-lua lua-resty-core lua-cjson
  patch)
SERVER_PACKAGES=('postgresql|postgresql-15' pgbouncer openssl
  mariadb-server mariadb-client)
# What covet is measured beside; `nodejs` with npm, or the one that has it.
PEER_PACKAGES=(python3 python3-asyncpg python3-uvloop python3-psycopg
  python3-psycopg-pool python3-aiomysql python3-aiosqlite 'luajit2|luajit'
  lua-sql-postgres lua-sql-mysql lua-sql-sqlite3 nodejs g++ make)
CHECK_PACKAGES=(clang libclang-rt-14-dev valgrind clang-format clang-tidy
  cppcheck lua-check lua-ldoc util-linux)

say()
{
  printf '%s\n' "$@"
}

die()
{
  printf '%s\n' "$@" >&2
  exit 1
}

# One word for each of the given packages that is not installed.
missing_packages()
{
  local installed wanted name found
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' \
    2>/dev/null | sed -n 's/^installed //p')
  for wanted in "$@"; do
    found=
    for name in ${wanted//|/ }; do
      if grep -qxF -- "$name" <<<"$installed"; then
        found=1
      fi
    done
    if [ -z "$found" ]; then
      printf '%s\n' "${wanted%%|*}"
    fi
  done
}

# apt_install PACKAGE...: as root or through sudo.
apt_install()
{
  local log=build/apt.log as_root=()
  mkdir -p build
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      die "Missing packages: $*" \
        "Neither root nor sudo is at hand. As root, run:" \
        "  apt-get install $*"
    fi
    as_root=(sudo)
  fi
  as_root+=(env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  say "Installing $*"
  # The package lists of a fresh system are empty or old: then ask for new ones.
  if ! "${as_root[@]}" install -y --no-install-recommends "$@" \
      >"$log" 2>&1; then
    "${as_root[@]}" update >>"$log" 2>&1 || true
    if ! "${as_root[@]}" install -y --no-install-recommends "$@" \
        >>"$log" 2>&1; then
      tail -n 20 "$log" >&2
      die "Could not install: $*"
    fi
  fi
}

# require_packages PACKAGE...: does nothing, and needs no network, when all
# are there. On systems without dpkg the build says itself what it misses.
require_packages()
{
  local missing
  command -v dpkg-query >/dev/null || return 0
  mapfile -t missing < <(missing_packages "$@")
  if [ "${#missing[@]}" -gt 0 ]; then
    apt_install "${missing[@]}"
  fi
}

# build FOLDER [CMAKE OPTION...]: quiet when it goes well.
build()
{
  local folder=$1 log=$1/build.log
  shift
  mkdir -p "$folder"
  if ! cmake -S . -B "$folder" -G Ninja "$@" >"$log" 2>&1; then
    cat "$log" >&2
    return 1
  fi
  grep -E '^-- covet: .*left out' "$log" || true
  if ! cmake --build "$folder" --parallel "$(nproc)" >"$log" 2>&1; then
    # The first error and what belongs to it, not the last of all lines.
    grep -A 30 -m 1 -E 'FAILED|error' "$log" >&2 || tail -n 30 "$log" >&2
    return 1
  fi
}
