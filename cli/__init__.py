"""The command `darkroom`: what an operator types. It renders nothing itself."""
