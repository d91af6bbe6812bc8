"""The story: one workflow a job, one a batch. Decisions only, no I/O."""
