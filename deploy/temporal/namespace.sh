#!/bin/sh
# Creates the namespace that TEMPORAL_NAMESPACE names, which keeps closed jobs for 90 days.
# TEMPORAL_ADDRESS is where the engine is.
set -eu

attempts=30
until temporal operator cluster health >/dev/null 2>&1; do
    attempts=$((attempts - 1))
    [ "$attempts" -gt 0 ] || { echo "the engine at $TEMPORAL_ADDRESS does not answer" >&2; exit 1; }
    sleep 2
done
temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 \
    || temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention 2160h
