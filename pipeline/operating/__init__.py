"""What people do to a running daemon: the admin endpoint, and what it does to queues and dead letters."""
