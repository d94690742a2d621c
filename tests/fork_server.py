"""A server that has imported torch and danlu but run no operation: each job is a fresh forked process."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


class ForkServer:
    """``run(function, **arguments)`` calls ``tests.jobs.<function>`` in a process of its own; gives its exit status."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE,
            env={**os.environ, "OMP_NUM_THREADS": "1", "DANLU_LANG": "en"},
        )

    def start(self, function: str, **arguments: Any) -> int:
        """The job's process number; ``wait`` tells how it ended."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps([function, arguments]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self) -> int:
        """Exit status of the job started last; minus the signal that killed it."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def run(self, function: str, **arguments: Any) -> int:
        self.start(function, **arguments)
        return self.wait()

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=30)


def serve() -> None:
    """Read jobs from stdin, fork one process for each."""
    sys.path.insert(0, str(HERE))
    for module in ("pandas", "pyarrow.compute", "pyarrow.parquet", "torch._dynamo", "danlu.api", "jobs"):
        importlib.import_module(module)  # seconds that every job would pay again; nothing is computed
    import jobs

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what jobs print is no answer
    while line := sys.stdin.readline():
        function, arguments = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            status = 70
            try:
                status = getattr(jobs, function)(**arguments) or 0
            except BaseException as error:
                import traceback

                traceback.print_exception(error)
            finally:
                sys.stderr.flush()
                os._exit(status)
        answers.write(f"{pid}\n")
        answers.flush()
        sys.stdin.readline()
        _, status = os.waitpid(pid, 0)
        answers.write(f"{os.waitstatus_to_exitcode(status)}\n")
        answers.flush()


if __name__ == "__main__":
    serve()
