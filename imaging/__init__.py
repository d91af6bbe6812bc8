"""Bytes to pictures and back: decode and check, encode, placeholder, provenance. No I/O."""
