"""The S3 object store, and the records of jobs and batches in it."""
