"""What goes out as it happens: the feed, waiting polls, streams, and which site's software is there."""
