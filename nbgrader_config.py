"""nbgrader's configuration for every course; a course folder's own file loads this one."""

import os
import sysconfig
from pathlib import Path

c = get_config()  # noqa: F821
project = Path(__file__).resolve().parent

# nbgrader starts `alembic` by name when it creates a gradebook. It lies beside this Python, and
# must be found also where the environment is not activated.
scripts = sysconfig.get_path("scripts")
if scripts not in os.environ.get("PATH", "").split(os.pathsep):
    os.environ["PATH"] = os.pathsep.join([scripts, os.environ.get("PATH", os.defpath)])

# What `autograder build` makes does not depend on the course, so all courses share it.
# A course folder's configuration says where its own lies.
c.CourseDirectory.root = str(project / "course")
c.CourseDirectory.source_directory = str(project / "_build" / "source")
c.CourseDirectory.release_directory = str(project / "_build" / "release")

# Our grading in place of nbgrader's Execute, and our cells' metadata in place of the student's.
# Names, not imports: where they cannot be loaded, nbgrader stops instead of running submissions.
c.Autograde.sanitize_preprocessors = [
    "autograder.preprocessor.RestoreCells",
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.OverwriteCells",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "autograder.preprocessor.RunChecks",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]

# Feedback is our page of results; written answers in formgrader's pages bring no script along.
c.GenerateFeedback.preprocessors = ["autograder.feedback.ReadMarks"]
c.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackExporter"
c.HTMLExporter.preprocessors = ["nbconvert.preprocessors.sanitize.SanitizeHTML"]
