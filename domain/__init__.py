"""The words all parts of Darkroom agree on: jobs, reviews, errors, sizes, names. Pure, no I/O."""
