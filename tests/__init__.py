"""Tests of the course and of the grader."""
