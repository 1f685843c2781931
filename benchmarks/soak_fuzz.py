"""Coverage-guided fuzzing of what the grader does with hostile bytes: `tests.fuzzing` at length.

What has been found to reach new code is kept in `_build/fuzz/TARGET/corpus`, so that each run goes
on from the one before. An input that the grader does not withstand is kept and named.

    python -m benchmarks.soak_fuzz [--seconds N] [TARGET ...]
    python -m benchmarks.soak_fuzz --again TARGET FILE
"""

import argparse
import hashlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

BUILD = Path(__file__).resolve().parents[1] / "_build" / "fuzz"
MODULES = ["autograder"]
PROGRAM = "benchmarks.soak_fuzz"
NAMES = ("codec", "reply", "frames", "notebook", "python")
LONGEST = {"notebook": 64_000}
LIMITS = ["-timeout=30", "-rss_limit_mb=3000"]
FOUND = ("crash-*", "timeout-*", "oom-*")


def main() -> None:
    """Fuzz each target in a process of its own; exit status 1 where one was broken."""
    options = _parsed()
    if options.again:
        _again(*options.again)
    elif options.inside:
        _fuzz(options.inside, options.seconds)
    elif find_spec("atheris") is None:
        print("no atheris for this Python and system: nothing is fuzzed by coverage here")
    else:
        targets = options.targets or NAMES
        sys.exit(1 if sum(_is_broken(target, options.seconds) for target in targets) else 0)


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak_fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(NAMES)} (all)")
    parser.add_argument("--seconds", type=int, default=120, help="for each target (120)")
    parser.add_argument("--again", nargs=2, metavar=("TARGET", "FILE"), help="run one input")
    parser.add_argument("--inside", choices=NAMES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.targets) - set(NAMES):
        parser.error(f"unknown target {min(unknown)!r}; known are: {', '.join(NAMES)}")
    return options


def _is_broken(target: str, seconds: int) -> bool:
    """Fuzz a target; whether an input was found that it does not withstand."""
    folder = BUILD / target
    folder.mkdir(parents=True, exist_ok=True)
    before = _found(folder)
    log = folder / "log"
    print(f"{target}: fuzzing for {seconds} s", flush=True)
    command = [sys.executable, "-m", PROGRAM, "--inside", target, "--seconds", str(seconds)]
    with log.open("wb") as output:
        status = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT).returncode
    for file in sorted(_found(folder) - before):
        print(f"{target}: broken by {file}; see {log}, and again with:")
        print(f"    python -m {PROGRAM} --again {target} {file}")
    last = log.read_text(errors="replace").strip().split("\n")[-1]
    print(f"{target}: {last if status == 0 else f'ended with status {status}; see {log}'}")
    return status != 0


def _found(folder: Path) -> set[Path]:
    return {file for pattern in FOUND for file in folder.glob(pattern)}


def _fuzz(target: str, seconds: int) -> None:
    """Fuzz in this process, which then ends."""
    import atheris

    with atheris.instrument_imports(include=MODULES):
        from tests import fuzzing

    folder = BUILD / target
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in fuzzing.seeds(target):
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    length = f"-max_len={LONGEST.get(target, 8000)}"
    flags = [*LIMITS, length, f"-max_total_time={seconds}", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *flags, str(corpus)], fuzzing.TARGETS[target])
    atheris.Fuzz()


def _again(target: str, file: str) -> None:
    """One input, without anything around it: the traceback says what is broken."""
    from tests import fuzzing

    fuzzing.TARGETS[target](Path(file).read_bytes())
    print(f"{target}: withstands {file}")


if __name__ == "__main__":
    main()
