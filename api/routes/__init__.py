"""Endpoints as signatures: parse, one service call, return."""
