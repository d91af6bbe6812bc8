"""What CI does not time: throughput, latency, what a job costs the engine."""
