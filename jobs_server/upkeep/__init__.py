"""What keeps an installation running: its start, its daily work, its log and its alerts."""
