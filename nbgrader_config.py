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
# PostgreSQL insists on a course that exists; nbgrader's gradebook makes this one by itself.
c.CourseDirectory.course_id = "default_course"
c.CourseDirectory.source_directory = str(project / "_build" / "source")
c.CourseDirectory.release_directory = str(project / "_build" / "release")

# Our grading in place of nbgrader's Execute. Graded cells come from the gradebook as a whole, which
# leaves nothing for OverwriteCells and CheckCellMetadata to do.
# Names, not imports: where they cannot be loaded, nbgrader stops instead of running submissions.
c.Autograde.sanitize_preprocessors = [
    "autograder.preprocessor.RestoreCells",
    "nbgrader.preprocessors.OverwriteKernelspec",
]
c.Autograde.autograde_preprocessors = [
    "autograder.preprocessor.RunChecks",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
]
# A notebook is validated once when all of these are done with it, not once after each.
c.NotebookExporter.optimistic_validation = True

# Feedback is our page of results. formgrader's page of a submission has the rubric beside each
# written answer, and brings no script of a student along.
c.GenerateFeedback.preprocessors = ["autograder.feedback.ReadMarks"]
c.GenerateFeedback.exporter_class = "autograder.feedback.FeedbackExporter"
c.HTMLExporter.preprocessors = ["autograder.formgrader.SanitizeRest"]
c.HTMLExporter.filters = {
    "strip_files_prefix": "autograder.formgrader.sanitised",
    "rubric": "autograder.formgrader.rubric",
}
c.HTMLExporter.exclude_anchor_links = True
c.HTMLExporter.template_file = str(project / "autograder" / "templates" / "formgrader.html.j2")

# A student's own pages and pictures with scripts stay where they were submitted: formgrader would
# show a copy under the instructor's own address.
active = ("html", "htm", "xhtml", "xht", "svg", "svgz", "xml", "xsl", "js", "mjs")
any_case = ["*." + "".join(f"[{sign}{sign.upper()}]" for sign in kind) for kind in active]
c.CourseDirectory.ignore = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback", *any_case]
