"""Grade a class: one submission after the other, each in processes of its own.

  minigpt grade SUBMISSIONS --out GRADES            NAME/gpt.py for each student
  minigpt grade SUBMISSIONS --out GRADES --seed 7   inputs that nobody has seen
  minigpt grade --zip autograder.zip                for Gradescope

GRADES gets gradebook.csv, class.md (who failed what, the most common mistakes),
and for each student report.md and results.json in Gradescope's format. A
submission has limits on time, memory, output, processes and files. What it does
costs only its own points. The status is 0 if every submission was judged, right
or wrong.
"""

import argparse
import os
import secrets
import zipfile
from pathlib import Path

from minigpt.cli.arguments import whole
from minigpt.course.classroom import (
    Graded,
    grade,
    grade_one,
    gradescope,
    submissions,
    write_reports,
)
from minigpt.files import write_text
from minigpt.training.progress import progress

SETUP = "#!/usr/bin/env bash\npip install minigpt\n"
RUN = """#!/usr/bin/env bash
minigpt grade --file /autograder/submission/gpt.py --results /autograder/results/results.json
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="SUBMISSIONS", help="the submissions"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="where the reports go")
    parser.add_argument("--seed", type=whole(0), metavar="N", help="of the inputs (default: drawn)")
    parser.add_argument(
        "--jobs", type=whole(1), metavar="N", help="submissions at a time (default: the cores)"
    )
    parser.add_argument("--file", type=Path, metavar="FILE", help="one submission, with --results")
    parser.add_argument("--results", type=Path, metavar="FILE", help="Gradescope's results.json")
    parser.add_argument(
        "--zip", type=Path, metavar="FILE", help="write an autograder for Gradescope"
    )


def run(args: argparse.Namespace) -> int:
    if args.zip:
        return write_zip(args.zip)
    seed = secrets.randbelow(2**31) if args.seed is None else args.seed
    if args.file:
        return one(args.file, args.results, seed)
    if args.folder is None or args.out is None:
        raise ValueError("give the folder of submissions and --out DIR")
    found = submissions(args.folder)
    jobs = args.jobs or os.cpu_count() or 1
    with progress("grading", len(found)) as advance:
        graded = grade(found, seed, jobs, advance)
    write_reports(args.out, graded, seed)
    print("\n".join(line(one) for one in graded))
    print(f"\n{len(graded)} submissions, seed {seed}: {args.out / 'gradebook.csv'}, class.md")
    return 0


def line(one: Graded) -> str:
    return f"{one.student:24s} {one.points:4d} of {one.most}  {one.problem}".rstrip()[:79]


def one(file: Path, results: Path | None, seed: int) -> int:
    """Grade one file, as an autograder does. The result is written first as failed."""
    from minigpt.course.submission import failed_everywhere

    if results is None:
        raise ValueError("--file needs --results, the file to write")
    empty = failed_everywhere("not judged")
    write_text(results, gradescope(Graded("submission", empty["problem"], empty["tasks"])))
    graded = grade_one("submission", file, seed)
    write_text(results, gradescope(graded))
    print(line(graded))
    return 0


def write_zip(path: Path) -> int:
    """setup.sh and run_autograder, which Gradescope runs."""
    if path.exists():
        raise ValueError(f"--zip {path}: exists already; give another name")
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in (("setup.sh", SETUP), ("run_autograder", RUN)):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o755 << 16
            archive.writestr(info, text)
    print(f"{path}: upload it to Gradescope; students hand in gpt.py")
    return 0
