#!/bin/sh
# Makes the environment from the lock file. Usage: PYTHON=python3.11 sh bootstrap.sh .venv
# Installs missing system packages with apt where it may, else says in one line what to type.
set -eu
venv=${1:-.venv}
PYTHON=${PYTHON:-python3}

fail() { printf 'error[ENV-0%s]: %s\n  unchanged: no environment was made\n  next: %s\n' "$1" "$2" "$3" >&2; exit 7; }

[ -n "$PYTHON" ] && command -v "$PYTHON" >/dev/null 2>&1 ||
  fail 1 "no Python was found" "apt-get install python3 python3-venv python3-dev"
"$PYTHON" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' ||
  fail 2 "Python 3.11 or 3.12 is needed, $PYTHON is $("$PYTHON" -V 2>&1)" "make PYTHON=python3.11 ..."

missing=
command -v gcc >/dev/null 2>&1 || missing="$missing gcc libc6-dev"
printf '#include <gmp.h>\nint main(void){return 0;}\n' | gcc -x c -fsyntax-only - 2>/dev/null || missing="$missing libgmp-dev"
"$PYTHON" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' ||
  missing="$missing python3-dev"
"$PYTHON" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
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

echo "making $venv from requirements.lock (about a minute)"
rm -rf "$venv"
"$PYTHON" -m venv "$venv"
pip="$venv/bin/python -m pip --disable-pip-version-check -q"
# fastecdsa has no wheel: its build takes setuptools from this environment, which is locked too.
awk '/^setuptools==/{p=1} p{print} p&&!/\\$/{exit}' requirements.lock > "$venv/setuptools.lock"
$pip install --require-hashes -r "$venv/setuptools.lock"
$pip install --require-hashes --no-build-isolation -r requirements.lock
$pip install --no-deps --no-build-isolation -e .
