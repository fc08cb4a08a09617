"""`nightshift compare A B`: two candidates side by side, of one campaign or of two on the same problem."""
