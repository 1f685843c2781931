"""The grader: builds assignments, isolates submissions, runs the hidden checks, reports."""

import sys
from typing import Any

# On import, jsonschema builds a grammar of international addresses if it finds this package: a
# second of each process that reads a notebook, for a format that no notebook has.
_modules: dict[str, Any] = sys.modules
_modules.setdefault("rfc3987_syntax", None)
