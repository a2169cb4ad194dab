# Sourced after say.sh: Debian packages, installed or merely unpacked into the rig's cache.

# A fresh machine knows no packages until its lists were read once.
know_packages() {
  apt-cache show "$1" >/dev/null 2>&1 && return
  is_root || die "apt knows no package '$1'; run 'apt-get update' as root once"
  quietly "apt-get update" apt-get -q update
  apt-cache show "$1" >/dev/null 2>&1 || die "apt knows no package '$1', even after apt-get update"
}

# unpacked_deb NAME prints the folder that holds the package's files. Nothing is installed, so no service starts.
unpacked_deb() {
  local name="$1" folder="$CACHE/deb/$1" download
  if [[ ! -e "$folder" ]]; then
    is_debian || die "this machine is not Debian: the rig needs the Debian package '$name'"
    know_packages "$name" >&2
    download="$(mktemp -d "$CACHE/download.XXXXXX")"
    (cd "$download" && quietly "downloading $name" apt-get -q download "$name") || exit 1
    mkdir -p "$CACHE/deb"
    dpkg-deb -x "$download/$name"_*.deb "$download/root"
    mv -T "$download/root" "$folder"
    rm -r "$download"
  fi
  printf '%s\n' "$folder"
}

# installed COMMAND PACKAGE: installs the package unless the command is there.
installed() {
  command -v "$1" >/dev/null && return
  is_debian || die "'$1' is missing and this machine is not Debian: install it, then try again"
  is_root || die "'$1' is missing and you are not root: run 'apt-get install $2' as root, then try again"
  know_packages "$2"
  say "installing $2 from Debian"
  DEBIAN_FRONTEND=noninteractive quietly "apt-get install $2" \
    apt-get -q install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$2"
}
