"""Every decision about a job."""
