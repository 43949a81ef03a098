"""The service: every operation of the table over HTTP, jobs that outlive a restart, uploads that resume."""
