"""The marks in two or more gradebooks, task by task."""

from collections.abc import Iterable, Mapping

Marks = dict[str, dict[str, float]]


def marks(gradebook: str) -> Marks:
    """The automatic marks in nbgrader's gradebook, by student and task.

    The points of a classic course's test cells, `TASK-CHECK`, are summed over the task.
    """
    from nbgrader.api import Gradebook

    found: Marks = {}
    with Gradebook(gradebook) as book:
        for entry in book.assignment_submissions("quick"):
            by_task = found.setdefault(entry.student.id, {})
            for notebook in entry.notebooks:
                for grade in notebook.grades:
                    task = grade.name.partition("-")[0]
                    by_task[task] = by_task.get(task, 0.0) + (grade.auto_score or 0.0)
    return found


def differences(one: Marks, other: Marks) -> list[str]:
    """Where two gradebooks differ, in words: student, task, and both marks."""
    found = []
    for student in sorted(one.keys() | other.keys()):
        mine, theirs = one.get(student, {}), other.get(student, {})
        for task in sorted(mine.keys() | theirs.keys()):
            a, b = mine.get(task), theirs.get(task)
            if a is None or b is None or abs(a - b) > 1e-9:
                found.append(f"{student} {task}: {a} and {b}")
    return found


def verdict(books: Mapping[str, Marks], students: Iterable[str]) -> tuple[bool, str]:
    """Whether all graders gave the same marks, and a line that says so or where they did not.

    books: the marks by grader; the last one is compared with each of the others.
    students: those whose work was graded; each must have marks from each grader.
    """
    *others, last = books
    found = [
        f"{student}: no mark ({grader})"
        for grader, book in books.items()
        for student in students
        if student not in book
    ]
    for grader in others:
        differing = differences(books[grader], books[last])
        found += [f"{difference} ({grader}, {last})" for difference in differing]
    if found:
        return False, f"marks: different in {len(found)} places: {'; '.join(found)}"
    tasks = sum(len(by_task) for by_task in books[last].values())
    return True, f"marks: equal in all {tasks} tasks of {len(books[last])} submissions"
