#!/bin/bash
# Fills an empty data folder as the official image does, then becomes the server.
set -euo pipefail

DATA=/var/lib/mysql
user="${MARIADB_USER:-${MYSQL_USER:-}}"
password="${MARIADB_PASSWORD:-${MYSQL_PASSWORD:-}}"
database="${MARIADB_DATABASE:-${MYSQL_DATABASE:-}}"
root="${MARIADB_ROOT_PASSWORD:-${MYSQL_ROOT_PASSWORD:-}}"

main() {
  [[ "${1:-}" != -* ]] || set -- mariadbd "$@"
  [[ "${1:-}" == mariadbd ]] || exec "$@"
  if [[ "$(id -u)" == 0 ]]; then
    chown mysql:mysql "$DATA"
    exec setpriv --reuid=mysql --regid=mysql --init-groups -- "$0" "$@"
  fi
  [[ -d "$DATA/mysql" ]] || initialise
  exec "$@" --bind-address=0.0.0.0 --socket=/run/mysqld/mysqld.sock
}

initialise() {
  if [[ -z "$root" && -z "${MARIADB_ALLOW_EMPTY_ROOT_PASSWORD:-}" ]]; then
    echo "the database is new and MARIADB_ROOT_PASSWORD is not set" >&2
    exit 1
  fi
  mariadb-install-db --datadir="$DATA" --auth-root-authentication-method=normal --skip-test-db --skip-name-resolve >/dev/null
  # Not reached by anybody while it is being filled.
  statements | mariadbd --bootstrap --datadir="$DATA"
}

statements() {
  local quote="'"
  [[ -z "$database" ]] || printf 'CREATE DATABASE `%s`;\n' "$database"
  printf 'FLUSH PRIVILEGES;\n'
  [[ -z "$user" ]] || printf "CREATE USER '%s'@'%%' IDENTIFIED BY '%s';\n" "$user" "${password//$quote/$quote$quote}"
  [[ -z "$user" || -z "$database" ]] || printf "GRANT ALL ON \`%s\`.* TO '%s'@'%%';\n" "$database" "$user"
  printf "ALTER USER 'root'@'localhost' IDENTIFIED BY '%s';\n" "${root//$quote/$quote$quote}"
}

main "$@"
