"""The grader: builds assignments, isolates submissions, runs the hidden checks, reports."""
