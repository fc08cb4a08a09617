"""A strategy over a whole data set: sources, readers that record faults, executors, and `apply` that ties them together."""
