"""What is known of sites, devices and the sky."""
