"""What a site says of itself: the state of its devices, pictures, and what the site has and can do."""
