#!/bin/sh
# Makes the environment from the lock file. Usage: sh bootstrap.sh .venv, or PYTHON=python3.12 sh bootstrap.sh .venv
# Installs missing system packages with apt where it may, else says in one line what to type.
set -eu
venv=${1:-.venv}

fail() { printf 'error[ENV-0%s]: %s\n  unchanged: no environment was made\n  next: %s\n' "$1" "$2" "$3" >&2; exit 7; }

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; }
has_headers() { "$1" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'; }
has_venv() { "$1" -c 'import ensurepip, venv' 2>/dev/null; }

# The machine's own Python first: one below somebody's home cannot be executed by the user that a node runs as.
if [ -z "${PYTHON:-}" ]; then
  for PYTHON in /usr/bin/python3.11 /usr/bin/python3.12 /usr/local/bin/python3.11 /usr/local/bin/python3.12 \
    python3.11 python3.12 python3; do
    if fits "$PYTHON" && has_headers "$PYTHON" && has_venv "$PYTHON"; then break; fi
  done
fi
[ -n "$PYTHON" ] && command -v "$PYTHON" >/dev/null 2>&1 ||
  fail 1 "no Python was found" "apt-get install python3 python3-venv python3-dev"
fits "$PYTHON" ||
  fail 2 "Python 3.11 or 3.12 is needed, $PYTHON is $("$PYTHON" -V 2>&1)" "make PYTHON=python3.11 ..."

missing=
command -v gcc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
printf '#include <gmp.h>\nint main(void){return 0;}\n' | gcc -x c -fsyntax-only - 2>/dev/null || missing="$missing libgmp-dev"
has_headers "$PYTHON" || missing="$missing python3-dev"
has_venv "$PYTHON" || missing="$missing python3-venv"
if [ -n "$missing" ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing system packages:$missing"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $missing; } >/tmp/chainnode-apt.$$ 2>&1 ||
      { tail -n 5 /tmp/chainnode-apt.$$ >&2; fail 3 "apt-get could not install$missing" "apt-get install$missing"; }
    rm -f /tmp/chainnode-apt.$$
  else
    fail 3 "system packages are missing:$missing" "sudo apt-get install$missing"
  fi
fi

shut=$("$PYTHON" -c 'import os, pathlib, sys
above = reversed(pathlib.Path(os.path.realpath(sys.executable)).parents)
print(next((str(one) for one in above if not one.stat().st_mode & 1), ""))')
[ -z "$shut" ] || echo "warning: $PYTHON lies below $shut, which other users cannot enter: a node cannot run as a user of its own" >&2

echo "making $venv from requirements.lock (about a minute)"
rm -rf "$venv"
"$PYTHON" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check -qq"
# fastecdsa has no wheel: its build takes setuptools from this environment, which is locked too.
awk '/^setuptools==/{p=1} p{print} p&&!/\\$/{exit}' requirements.lock > "$venv/setuptools.lock"
$pip install --require-hashes -r "$venv/setuptools.lock"
$pip install --require-hashes --no-build-isolation -r requirements.lock
$pip install --no-deps --no-build-isolation -e .
