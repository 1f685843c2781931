"""The hidden checks, one pytest file an assignment, and the rubrics of written answers."""
