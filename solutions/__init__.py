"""The reference implementations: plain modules, one a topic."""
