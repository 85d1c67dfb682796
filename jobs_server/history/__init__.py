"""What pages and commands read of the past and the present."""
