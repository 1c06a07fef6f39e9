"""The worker, `python -m ttstudy.answers.worker MEMORY_MB SECONDS`: a JSON task a line in, a result out.

It works on hostile text, so it limits its own memory and kills itself when a task is far over its time; the
parent kills it sooner. `{"loading": true}` tells the parent that a slow import starts, which is not the
task's fault.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import Any, BinaryIO

import mpmath  # noqa: F401  (here, so that no task waits for it)

from ttstudy.answers import expressions as ex
from ttstudy.answers.keys import keys_of, needs_algebra


class Worker:
    """Reads tasks from one pipe and answers on another until the first is closed."""

    def __init__(self, source: BinaryIO, sink: BinaryIO, seconds: float) -> None:
        """Serve `source` and `sink`, with `seconds` of processor time for a task."""
        self.source, self.sink, self.seconds = source, sink, seconds

    def send(self, message: dict[str, Any]) -> None:
        """Write one line."""
        self.sink.write(json.dumps(message).encode() + b"\n")
        self.sink.flush()

    def run(self) -> None:
        """Serve tasks; an error in one is its result, never the end of the worker."""
        self.send({"ready": True})
        for line in self.source:
            self.own_limit()
            try:
                task = json.loads(line)
                result = (
                    self.keys(task["answer"])
                    if task["op"] == "keys"
                    else self.reference(task["gold"], task["answer"])
                )
                message = {"result": result}
            except MemoryError:
                message = {"failed": "memory"}
            except Exception as error:
                message = {"failed": type(error).__name__}
            signal.setitimer(signal.ITIMER_PROF, 0)
            self.send(message)

    def own_limit(self, seconds: float = 0) -> None:
        """End this process some processor seconds after its limit, should the parent be gone."""
        signal.setitimer(signal.ITIMER_PROF, seconds or self.seconds + 2)

    def keys(self, answer: str) -> list[Any]:
        """Exact key and sorted loose keys of an answer."""
        keys = keys_of(answer, numeric=True, fallback=self.sympy_key)
        return [keys.exact, sorted(keys.loose)]

    def slow_import(self, name: str) -> Any:
        """Import a heavy module while the parent's clock stands still."""
        import importlib

        if name not in sys.modules:
            self.send({"loading": True})
            self.own_limit(120)
            importlib.import_module(name)
            self.own_limit()
            self.send({"loaded": True})
        return sys.modules[name]

    def sympy_key(self, text: str) -> str | None:
        """Key of mathematics beyond our reader (sums, integrals), read by math-verify; else None."""
        if not needs_algebra(text):
            return None
        verify = self.slow_import("math_verify")
        import sympy
        from mpmath import mp

        found = verify.parse(
            f"${text}$",
            extraction_config=[verify.LatexExtractionConfig()],
            fallback_mode="no_fallback",
            parsing_timeout=None,
        )
        if not found or not isinstance(found[0], sympy.Expr):
            return None
        expression = found[0].doit()
        names = sorted(expression.free_symbols, key=str)
        values = []
        for index in range(ex.POINTS if names else 1):
            at = {name: ex.point(str(name), index) for name in names}
            value = expression.subs(
                {name: sympy.Rational(v.numerator, v.denominator) for name, v in at.items()}
            )
            if value.is_Rational:
                values.append(ex.Fraction(int(value.p), int(value.q)))
                continue
            real, imaginary = sympy.N(value, ex.DIGITS).as_real_imag()
            if not (real.is_Float or real.is_Rational) or not (imaginary.is_Float or imaginary.is_Rational):
                return None
            with mp.workdps(ex.DIGITS):
                values.append(mp.mpc(str(real), str(imaginary)))
        return ex.texts(values, complex_values=expression.has(sympy.I))

    def reference(self, gold: str, answer: str) -> bool:
        """Verdict of the reference grader."""
        self.slow_import("sympy")
        from ttstudy.answers.reference import equal

        return equal(answer, gold)


def main() -> None:
    """Set the limits and serve; what libraries print does not reach the pipe."""
    megabytes, seconds = int(sys.argv[1]), float(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    Worker(sys.stdin.buffer, sink, seconds).run()


if __name__ == "__main__":
    main()
