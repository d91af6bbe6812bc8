#!/bin/sh
# Creates the engine's databases and brings their schemas up to this version's; may run again.
# Connection and plugin are read from SQL_* by temporal-sql-tool.
set -eu

for database in temporal temporal_visibility; do
    case $database in
        temporal) folder=temporal ;;
        *) folder=visibility ;;
    esac
    export SQL_DATABASE="$database"
    temporal-sql-tool create-database
    # Where there is a schema already, this is refused, and the next line updates it.
    temporal-sql-tool setup-schema --version 0.0 || true
    temporal-sql-tool update-schema \
        --schema-dir "/etc/temporal/schema/postgresql/v12/$folder/versioned"
done
