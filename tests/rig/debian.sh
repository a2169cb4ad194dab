# shellcheck shell=bash
# Sourced after say.sh: Debian packages, installed or merely unpacked into the rig's cache.

# A fresh machine knows no packages until its lists were read once.
know_packages() {
  has_candidate "$1" && return
  is_root || die "apt knows no package '$1'; run 'apt-get update' as root once"
  quietly "apt-get update" apt-get -q update
  has_candidate "$1" || die "apt knows no package '$1', even after apt-get update"
}

has_candidate() { [[ "$(apt-cache policy "$1" 2>/dev/null)" =~ Candidate:\ [^\(] ]]; }

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

# install_package NAME, from the machine's own sources.
install_package() {
  is_debian || die "the Debian package '$1' is needed and this machine is not Debian"
  is_root || die "the Debian package '$1' is missing and you are not root: run 'apt-get install $1' as root, then try again"
  know_packages "$1"
  say "installing $1 from Debian"
  apt_install "$1"
}

# apt_install [OPTION…] PACKAGE…; what was installed on the rig's behalf is noted for 'make clean' to name.
apt_install() {
  DEBIAN_FRONTEND=noninteractive quietly "apt-get install" \
    apt-get -q install -y --no-install-recommends -o DPkg::Lock::Timeout=300 "$@"
  printf '%s\n' "$@" | grep -oE '^[a-z][a-z0-9.+-]*(/|$)' | tr -d / >>"$CACHE/installed"
}
