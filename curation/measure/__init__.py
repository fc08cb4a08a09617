"""What trusted code measures on cleaned texts: kept tokens, n-gram bits, rule judge, private data, repetitions."""
