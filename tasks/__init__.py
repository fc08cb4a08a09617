"""The engine: the contract with domains, the steps of a round, the agents behind them, sandbox, model access."""
