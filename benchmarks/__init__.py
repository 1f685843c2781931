"""What is measured, never asserted, and the scripts that measure it."""
