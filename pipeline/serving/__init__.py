"""What every server shares: where it listens, its connections, who may use it, how much memory may be in use."""
