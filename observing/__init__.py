"""What operators see: log lines, metrics and traces. It watches the work and does none of it."""
