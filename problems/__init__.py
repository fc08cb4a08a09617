"""Problems, one folder each; a problem of your own goes here or anywhere on the import path."""
