"""What accepts connections: a slow or silent client holds a connection, and never a thread that a stop needs."""
