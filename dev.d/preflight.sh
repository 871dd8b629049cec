# shellcheck shell=bash
# What this machine is and can do, said before the build: shell checks only,
# nothing is compiled for them. The binary's `doctor` probes it all for real.

DISK_NEEDED_MIB=6144
MEMORY_NEEDED_MIB=1800

system_name() {
  # shellcheck disable=SC1091
  (. /etc/os-release 2>/dev/null && printf '%s' "${ID^}${VERSION_ID:+ $VERSION_ID}") || uname -sr
}

# MiB this process may use: the machine's, or its control group's if that is less.
memory_mib() {
  local mib limit file
  mib=$(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo) / 1024))
  for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    limit=$(cat "$file" 2>/dev/null || true)
    if [[ $limit =~ ^[0-9]{1,15}$ ]] && ((limit / 1048576 < mib)); then
      mib=$((limit / 1048576))
    fi
  done
  echo "$mib"
}

# MiB free where builds go (the nearest folder above it that exists).
disk_free_mib() {
  local at=$1
  while [[ ! -d $at ]]; do at=$(dirname "$at"); done
  df -Pm "$at" | awk 'NR == 2 { print $4 }'
}

# The version of Landlock the kernel speaks, 0 if none, empty if it can't be told.
landlock_version() {
  command -v perl >/dev/null || return 0
  case $(uname -m) in x86_64 | aarch64) ;; *) return 0 ;; esac
  # landlock_create_ruleset(NULL, 0, VERSION): 444 on every architecture of Linux.
  perl -e 'my $v = syscall(444, 0, 0, 1); print $v > 0 ? $v : 0'
}

seccomp_there() { grep -q '^Seccomp:' /proc/self/status; }

# Namespaces as the box makes them: with root's rights, or by a user namespace.
namespaces_work() {
  if ((EUID == 0)); then
    unshare --mount --pid --net --ipc --uts --fork true 2>/dev/null
  else
    unshare --user --map-root-user --mount --pid --net --ipc --uts --fork true 2>/dev/null
  fi
}

# Why they don't: two lines, what and what to do.
namespaces_lack() {
  local sys=/proc/sys
  if [[ $(cat $sys/kernel/apparmor_restrict_unprivileged_userns 2>/dev/null) == 1 ]]; then
    printf '%s\n%s\n' "this system forbids user namespaces to ordinary users (AppArmor)" \
      "after the build: sudo ./dev run doctor --fix sandbox (a profile for atoll alone)"
  elif [[ $(cat $sys/kernel/unprivileged_userns_clone 2>/dev/null) == 0 ]]; then
    printf '%s\n%s\n' "user namespaces are switched off" "sudo sysctl -w kernel.unprivileged_userns_clone=1"
  elif [[ $(cat $sys/user/max_user_namespaces 2>/dev/null) == 0 ]]; then
    printf '%s\n%s\n' "no user namespace may be made" "sudo sysctl -w user.max_user_namespaces=15000"
  elif ! command -v unshare >/dev/null; then
    printf '%s\n%s\n' "unshare is missing, so namespaces can't be tried" "sudo apt-get install util-linux"
  else
    printf '%s\n%s\n' "namespaces can't be made here (a container without that right?)" \
      "allow CAP_SYS_ADMIN and unshare in the container's settings, or use a virtual machine"
  fi
}

# May memory be limited for good, or only watched?
memory_group() {
  local own
  own=$(sed -n 's/^0:://p' /proc/self/cgroup)
  [[ -w /sys/fs/cgroup${own%/}/cgroup.procs ]] && grep -qw memory "/sys/fs/cgroup${own%/}/cgroup.controllers" 2>/dev/null && return
  ((EUID == 0)) && [[ -w /sys/fs/cgroup/memory/tasks ]] && return
  [[ -S ${XDG_RUNTIME_DIR:-/nowhere}/systemd/private ]]
}

# Sets SANDBOX (words for the row) and LACKS (pairs: what, what to do).
sandbox_check() {
  local landlock
  SANDBOX=full
  LACKS=()
  if ! namespaces_work; then
    mapfile -t LACKS < <(namespaces_lack)
  fi
  landlock=$(landlock_version)
  if [[ $landlock == 0 ]]; then
    LACKS+=("the kernel has no Landlock (5.13 or newer, and switched on, has it)"
      "add landlock to the lsm= list on the kernel's command line, or use a newer kernel")
  fi
  if ! seccomp_there; then
    LACKS+=("the kernel has no seccomp" "use a kernel built with CONFIG_SECCOMP_FILTER")
  fi
  if ((${#LACKS[@]})); then
    SANDBOX="sandbox not possible yet"
    return
  fi
  memory_group && SANDBOX="sandbox full" || SANDBOX="sandbox full, except memory: polled (no cgroup)"
  [[ -n $landlock ]] || SANDBOX+=", Landlock untried"
}

preflight() {
  local cores memory free target i verdict=ok
  cores=$(nproc)
  memory=$(memory_mib)
  target=$(target_dir)
  free=$(disk_free_mib "$target")
  sandbox_check
  ((${#LACKS[@]} == 0)) || verdict=incomplete
  row checks "$(system_name), $cores cores, $(((memory + 512) / 1024)) GB, $((free / 1024)) GB free, $SANDBOX" "$verdict"
  for ((i = 0; i < ${#LACKS[@]}; i += 2)); do
    row "  lacks" "${LACKS[i]}"
    row "  do" "${LACKS[i + 1]}"
  done
  ((${#LACKS[@]} == 0)) || row "" "jobs are refused until then: Atoll never runs them outside the sandbox"
  if ((memory < MEMORY_NEEDED_MIB)); then
    row "  lacks" "$memory MiB of memory; compiling needs about $MEMORY_NEEDED_MIB MiB per core"
    row "  do" "add memory or swap if the build is killed"
  fi
  if ((free < DISK_NEEDED_MIB)) && [[ ! -d $target/debug/deps ]]; then
    fail "$free MiB are free for $target; a first build needs about $DISK_NEEDED_MIB MiB" \
      "free some space, or point CARGO_TARGET_DIR at another disk"
  fi
  limit_jobs "$cores" "$memory"
}

# One compiler per core and per 1.2 GiB: the largest crates need that much.
limit_jobs() {
  local jobs=$(($2 / 1200))
  ((jobs >= 1)) || jobs=1
  if ((jobs < $1)) && [[ -z ${CARGO_BUILD_JOBS:-} ]]; then
    export CARGO_BUILD_JOBS=$jobs CMAKE_BUILD_PARALLEL_LEVEL=$jobs
  fi
}
