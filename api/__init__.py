"""The door: routes, HTTP schemas, problems, and the services behind them."""
