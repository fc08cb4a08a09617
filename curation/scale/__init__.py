"""A strategy over a whole data set: readers that record faults, writers, executors, and `apply` that ties them up."""
