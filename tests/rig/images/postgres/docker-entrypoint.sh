#!/bin/bash
# Makes a cluster in an empty PGDATA as the official image does, then becomes the server.
set -euo pipefail

user="${POSTGRES_USER:-postgres}"
database="${POSTGRES_DB:-$user}"

main() {
  [[ "${1:-}" != -* ]] || set -- postgres "$@"
  [[ "${1:-}" == postgres ]] || exec "$@"
  if [[ "$(id -u)" == 0 ]]; then
    mkdir -p "$PGDATA"
    chown -R postgres:postgres "$PGDATA"
    chmod 700 "$PGDATA"
    exec setpriv --reuid=postgres --regid=postgres --init-groups -- "$0" "$@"
  fi
  [[ -s "$PGDATA/PG_VERSION" ]] || initialise
  exec "$@"
}

initialise() {
  local password="${POSTGRES_PASSWORD:-}" method="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
  [[ -z "${POSTGRES_PASSWORD_FILE:-}" ]] || password="$(<"$POSTGRES_PASSWORD_FILE")"
  if [[ -z "$password" && "$method" != trust ]]; then
    echo "Error: the database is new and POSTGRES_PASSWORD is not set" >&2
    exit 1
  fi
  # shellcheck disable=SC2086 # several arguments in one variable, as in the official image
  initdb --username="$user" --pwfile=<(printf '%s\n' "$password") ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

  # Reached by its socket only: nobody outside may take the server for ready while it is being filled.
  PGUSER="$user" pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  [[ "$database" == postgres ]] || createdb -U "$user" -- "$database"
  run_init_files
  PGUSER="$user" pg_ctl -D "$PGDATA" -m fast -w stop
  echo "PostgreSQL init process complete; ready for start up."
}

run_init_files() {
  local file
  for file in /docker-entrypoint-initdb.d/*; do
    case "$file" in
      *.sh) if [[ -x "$file" ]]; then "$file"; else source "$file"; fi ;;
      *.sql) run_sql <"$file" ;;
      *.sql.gz) gunzip -c "$file" | run_sql ;;
    esac
  done
}

run_sql() { psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc -U "$user" -d "$database"; }

main "$@"
