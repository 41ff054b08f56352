"""What people do to a running daemon: the admin endpoint, and the commands that use it."""
