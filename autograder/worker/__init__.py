"""What enters the sandbox: it knows its protocol and nothing else of the course."""
