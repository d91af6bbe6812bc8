"""The hands: thin activities over plain functions. Temporal in, `pipeline` below."""
