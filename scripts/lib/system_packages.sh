# Part of scripts/setup: installs what pip cannot.

# Prints the missing apt packages. It checks what they provide, which may have another source.
missing_system_packages() {
  local python="$1"
  if ! command -v "$python" >/dev/null; then
    echo python3 python3-venv python3-dev
  else
    "$python" -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    "$python" - 2>/dev/null <<'PYTHON' || echo python3-dev
import pathlib, sysconfig
raise SystemExit(not pathlib.Path(sysconfig.get_paths()["include"], "Python.h").is_file())
PYTHON
  fi
  command -v cmake >/dev/null || echo cmake
  command -v make >/dev/null || echo make
  command -v c++ >/dev/null || echo g++
  # Offscreen rendering: overlays, the demo's clip, training scenes. Mesa renders without a GPU.
  local libraries
  libraries="$(PATH="$PATH:/sbin:/usr/sbin" ldconfig -p 2>/dev/null || true)"
  [[ "$libraries" == *libEGL.so.1* ]] || echo libegl1
  [[ "$libraries" == *libGL.so.1* ]] || echo libgl1
  compgen -G '/usr/share/glvnd/egl_vendor.d/*.json' >/dev/null || echo libegl1 libgl1-mesa-dri
}

ensure_system_packages() {
  local python="$1" packages sudo=
  packages="$(missing_system_packages "$python" | xargs -n 1 | sort -u | xargs)"
  [ -n "$packages" ] || return 0
  if [ -n "${ICL_MESH_NO_APT:-}" ] || ! command -v apt-get >/dev/null; then
    fail "missing on this system: $packages (names of Debian and Ubuntu packages); install them and run me again"
  fi
  if [ "$(id -u)" != 0 ]; then
    # sudo may ask for the password on a terminal only.
    if command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
      sudo=sudo
    else
      fail "as an administrator, first run: apt-get install $packages"
    fi
  fi
  say "installing with apt: $packages"
  $sudo apt-get update -qq || say "apt-get update failed; trying with the present lists"
  # shellcheck disable=SC2086 -- a list of words
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $packages >/dev/null \
    || fail "apt could not install: $packages"
}
