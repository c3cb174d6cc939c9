"""Foreign user agents that run as processes of their own."""
