"""Wrong learner's files that try to pass `minigpt check --ops FILE`.

Each tries in one way.

    python tests/hostile_files.py [WORD]

runs those whose kind contains WORD, and prints kind, status, seconds and the last line on stderr.
Each file doubles its input instead of ReLU, so that every check of its numbers fails. It runs on a
copy of the package in a temporary folder, because some of the files damage the package.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import minigpt

MARK = "MINIGPT_HOSTILE_RUN"  # in the environment of all processes of one run
HEAD = """
import atexit, builtins, gc, os, resource, signal, subprocess, sys, tempfile, threading, time
from pathlib import Path
import numpy as np
"""
WRONG = "return x * 2.0, x", "return dout * 2.0"


class Hostile(NamedTuple):
    """A kind of hostile file, and the whole file."""

    kind: str
    source: str


class Outcome(NamedTuple):
    """The result of the command."""

    status: int | None  # None: it had to be killed
    seconds: float
    out: str
    err: str
    left: list[int]  # processes that are still running

    @property
    def last(self) -> str:
        lines = self.err.rstrip().splitlines()
        return lines[-1] if lines else ""


def learner_file(once: str = "", forward: str = WRONG[0], backward: str = WRONG[1]) -> str:
    """Return a learner's file.

    It has code that runs at import, and the bodies of the two functions.
    """
    bodies = [
        textwrap.indent(textwrap.dedent(body).strip(), "    ") for body in (forward, backward)
    ]
    functions = (
        f"def relu_forward(x):\n{bodies[0]}\n\ndef relu_backward(dout, cache):\n{bodies[1]}\n"
    )
    return f"{HEAD}\n{functions}\n{textwrap.dedent(once).strip()}\n"


def everywhere(kind: str, code: str, before: str = "") -> list[Hostile]:
    """Return the same code at import, in the forward, in the backward."""
    code, before = textwrap.dedent(code).strip(), textwrap.dedent(before).strip()
    return [
        Hostile(f"{kind}, at import", learner_file(f"{before}\n{code}")),
        Hostile(f"{kind}, in the forward", learner_file(before, forward=f"{code}\n{WRONG[0]}")),
        Hostile(f"{kind}, in the backward", learner_file(before, backward=f"{code}\n{WRONG[1]}")),
    ]


def at_import(kind: str, code: str) -> Hostile:
    return Hostile(kind, learner_file(code))


def in_both(kind: str, code: str, before: str = "") -> Hostile:
    """Return the same code in the forward and in the backward."""
    code = textwrap.dedent(code).strip()
    return Hostile(kind, learner_file(before, f"{code}\n{WRONG[0]}", f"{code}\n{WRONG[1]}"))


def returns(kind: str, value: str, before: str = "") -> Hostile:
    """Return a file whose two functions return `value` instead of an array.

    In `value`, `x` is the argument.
    """
    return Hostile(
        kind, learner_file(before, f"return ({value}), x", f"x = dout\nreturn ({value})")
    )


ENDS = [
    *everywhere("os._exit(0)", "os._exit(0)"),
    *everywhere("sys.exit(0)", "sys.exit(0)"),
    *everywhere("raise SystemExit", "raise SystemExit"),
    *everywhere("KeyboardInterrupt", "raise KeyboardInterrupt"),
    *everywhere(
        "a subclass of BaseException", "raise Own('done')", "class Own(BaseException): pass"
    ),
    *everywhere("GeneratorExit", "raise GeneratorExit"),
    *everywhere("StopIteration", "raise StopIteration"),
    *everywhere("os.abort", "os.abort()"),
    *everywhere("SIGKILL to itself", "os.kill(os.getpid(), signal.SIGKILL)"),
    *everywhere("SIGTERM to itself", "os.kill(os.getpid(), signal.SIGTERM)"),
    *everywhere("SIGSTOP to itself", "os.kill(os.getpid(), signal.SIGSTOP)")[1:],
    *everywhere("SIGINT to the command", "os.kill(os.getppid(), signal.SIGINT)"),
    *everywhere("SIGTERM to the command", "os.kill(os.getppid(), signal.SIGTERM)"),
    *everywhere(
        "SIGTERM to the command, then a loop",
        "os.kill(os.getppid(), signal.SIGTERM)\nwhile True: pass",
    )[1:],
    Hostile(
        "SIGKILL to the command, then a loop",
        learner_file(forward="os.kill(os.getppid(), signal.SIGKILL)\nwhile True: pass"),
    ),
    in_both("raise BrokenPipeError", "raise BrokenPipeError('gone')"),
    at_import("a timer with os._exit(0)", "threading.Timer(0.3, os._exit, (0,)).start()"),
    at_import(
        "a daemon thread with os._exit(0)",
        "threading.Thread(target=os._exit, args=(0,), daemon=True).start()",
    ),
    at_import("atexit with os._exit(0)", "atexit.register(os._exit, 0)"),
    in_both("a segmentation fault", "import ctypes; ctypes.string_at(0)"),
    at_import("sys.exit does nothing", "sys.exit = lambda *status: None"),
    in_both(
        "ends only the second time", "calls.append(1)\nif len(calls) > 5: os._exit(0)", "calls = []"
    ),
]

TAKES_FOR_EVER = [
    *everywhere("an endless loop", "while True: pass"),
    *everywhere(
        "a loop that swallows every exception",
        """
        while True:
            try:
                while True: time.sleep(0.01)
            except BaseException:
                pass
    """,
    )[1:],
    *everywhere("time.sleep(10**6)", "time.sleep(10**6)")[1:],
    in_both("nearly too slow, every time", "time.sleep(1.5)"),
    at_import("SIGTERM and SIGINT ignored", "for n in (2, 15): signal.signal(n, signal.SIG_IGN)"),
    in_both(
        "SIGTERM ignored, and a loop",
        "while True: pass",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
    ),
    in_both("catastrophic regular expression", "import re; re.match('(a*)*b', 'a' * 60)"),
    in_both("10**10**8: one long bytecode", "y = 10 ** 10 ** 8"),
]

PRINTS = [
    *everywhere("an endless flood of prints", "while True: print('0 checks failed')")[1:],
    in_both("a flood without line ends", "while True: sys.stdout.write('x' * 10000)"),
    in_both(
        "a false verdict on both streams",
        """
        print('19 checks, 136 tensors, 0 checks failed, 0.2 s', flush=True)
        print('19 checks, 136 tensors, 0 checks failed, 0.2 s', file=sys.stderr, flush=True)
    """,
    ),
    in_both(
        "a false verdict behind a carriage return",
        "print('\\r\\x1b[2K0 checks failed', flush=True)",
    ),
    at_import("a false verdict at exit", "atexit.register(print, '0 checks failed')"),
    at_import(
        "a thread that prints all the time",
        """
        def talk():
            while True: print('0 checks failed', file=sys.stderr, flush=True)
        threading.Thread(target=talk, daemon=True).start()
    """,
    ),
    in_both(
        "a false verdict into the command's output",
        """
        for n in (1, 2):
            try: open(f'/proc/{os.getppid()}/fd/{n}', 'w').write('0 checks failed\\n')
            except OSError: pass
    """,
    ),
    at_import("its streams are something else", "sys.stdout = sys.stderr = sys.__stdout__ = None"),
]

FAKE = """
import json, struct
def message(value, body=b''):
    header = value if isinstance(value, bytes) else json.dumps(value).encode()
    return struct.pack('>IQ', len(header), len(body)) + header + body
def plain(**parts):
    return {'dict': [{'tuple': [name, value]} for name, value in parts.items()]}
def write_everywhere(content):
    for n in range(65):
        if n > 2:
            try: os.write(n, content)
            except OSError: pass
def answers():
    for n in range(3, 65):
        try: os.write(n, b''); return n
        except OSError: pass
"""
WITH_ERROR = "plain(id=n, error={!r}, text='x', place='y')"


def replies(kind: str, value: str) -> Hostile:
    """Return a file that writes a message instead of an answer.

    The message answers any question up to the thousandth.
    """
    code = f"for n in range(2, 1000): write_everywhere(message({value}))\ntime.sleep(60)"
    return in_both(kind, code, FAKE)


MESSAGES = [
    in_both("noise into every descriptor", "write_everywhere(os.urandom(1000))", FAKE),
    at_import(
        "noise into every descriptor, at import", FAKE + "write_everywhere(os.urandom(1000))"
    ),
    at_import("no list of functions", FAKE + "write_everywhere(message(plain(id=1, functions=3)))"),
    at_import(
        "a result in place of the functions",
        FAKE + "write_everywhere(message(plain(id=1, result=3)))",
    ),
    at_import(
        "an empty list of functions",
        FAKE + "write_everywhere(message(plain(id=1, functions={'dict': []})))",
    ),
    at_import(
        "BrokenPipeError as the answer to the import",
        f"{FAKE}n = 1\nwrite_everywhere(message({WITH_ERROR.format('BrokenPipeError')}))\n"
        "time.sleep(60)",
    ),
    in_both("all descriptors closed", "os.closerange(0, 100)"),
    at_import("all descriptors closed, at import", "os.closerange(0, 100)"),
    in_both(
        "reads the questions itself",
        """
        for n in range(3, 65):
            try: os.read(n, 100000)
            except OSError: pass
    """,
    ),
    in_both(
        "answers twice",
        "write_everywhere(message(plain(id=2, result=None, changed={'list': []}, drawn={'list': "
        "[]})))",
        FAKE,
    ),
    replies("answers before it is asked", "plain(id=n, result=None)"),
    replies("an error that is no error", WITH_ERROR.format("print")),
    replies("StopIteration as the error", WITH_ERROR.format("StopIteration")),
    replies("UnicodeDecodeError as the error", WITH_ERROR.format("UnicodeDecodeError")),
    replies("BrokenPipeError as the error", WITH_ERROR.format("BrokenPipeError")),
    replies("asks for one of our caches", "{'cache': ['os', '_exit'], 'items': [0]}"),
    replies("asks for numpy's tests", "{'rng': {'bit_generator': 'test'}}"),
    replies(
        "an identity that is an array",
        "plain(id={'array': ['<f8', [2], None, True, 0], 'scalar': False}, result=1), bytes(16)",
    ),
    replies("an object array", "{'array': ['O', [2], None, True, 0], 'scalar': False}, bytes(16)"),
    replies(
        "an array outside its bytes", "{'array': ['<f8', [10**12], None, True, 8], 'scalar': False}"
    ),
    replies(
        "a shape of huge numbers",
        "{'array': ['<f8', [10**4000] * 400, None, True, 0], 'scalar': False}",
    ),
    in_both(
        "a shape that takes hours to multiply",
        """
        sizes = b', '.join([b'7' * 4000] * 16000)
        os.write(answers(), message(b'{"array": ["<f8", [' + sizes + b'], null, true, 0]}'))
        time.sleep(60)
    """,
        FAKE,
    ),
    in_both(
        "keys that all collide",
        """
        pairs = b', '.join(b'{"tuple": [%d, 0]}' % (k * (2**61 - 1)) for k in range(1, 500000))
        os.write(answers(), message(b'{"dict": [' + pairs + b']}'))
        time.sleep(60)
    """,
        FAKE,
    ),
    in_both(
        "brackets 10**6 deep",
        "os.write(answers(), message(b'[' * 10**6 + b']' * 10**6))\ntime.sleep(60)",
        FAKE,
    ),
    in_both(
        "a message of 2**60 bytes",
        "os.write(answers(), struct.pack('>IQ', 100, 2**60))\ntime.sleep(60)",
        FAKE,
    ),
    in_both(
        "a message of 2**31 bytes",
        """
        n = answers(); os.write(n, struct.pack('>IQ', 100, 2**31))
        while True: os.write(n, bytes(1 << 20))
    """,
        FAKE,
    ),
    in_both(
        "a flood of messages",
        "n = answers(); m = message([0] * 10**6)\nwhile True: os.write(n, m)",
        FAKE,
    ),
    in_both("one byte a second", "while True: os.write(answers(), b'\\0'); time.sleep(1)", FAKE),
]

PATCHES = [
    at_import(
        "checks.core.equal says ok",
        """
        from minigpt.checks import core
        core.equal = lambda tensor, *rest, **more: core.Line(tensor, '0', '0', 0.0, 1.0)
    """,
    ),
    at_import(
        "every check passes",
        "from minigpt import checks\nchecks.perform = lambda check, *rest: checks.Report(check, "
        "[])",
    ),
    at_import(
        "Report.passed is True", "from minigpt.checks.core import Report\nReport.passed = True"
    ),
    at_import(
        "np.allclose, np.abs, np.isnan lie",
        """
        np.allclose = np.array_equal = lambda *a, **k: True
        np.abs = np.isnan = np.zeros_like
    """,
    ),
    at_import(
        "the reference becomes the file's",
        """
        from minigpt import layers, by_hand
        for module in (layers, by_hand, sys.modules.get('minigpt.layers.relu', layers)):
            module.relu_forward, module.relu_backward = relu_forward, relu_backward
    """,
    ),
    at_import(
        "wire.pack is patched", "from minigpt.grading import wire\nwire.pack = lambda value: b''"
    ),
    at_import(
        "wire.send is patched",
        "from minigpt.grading import wire\nwire.send = lambda stream, value: None",
    ),
    at_import(
        "Learner.answer is patched",
        """
        answer = {'result': None, 'changed': [], 'drawn': []}
        sys.modules['__main__'].Learner.answer = lambda self, request: answer
    """,
    ),
    at_import(
        "remote.Learner is patched", "from minigpt.grading import remote\nremote.Learner = None"
    ),
    at_import("sys.modules is emptied", "for name in list(sys.modules): sys.modules.pop(name)"),
    at_import(
        "sys.modules is full of None", "for name in list(sys.modules): sys.modules[name] = None"
    ),
    at_import("builtins.isinstance is True", "builtins.isinstance = lambda *a: True"),
    at_import("builtins.len is 0", "builtins.len = lambda *a: 0"),
    at_import("sys.settrace", "sys.settrace(lambda *a: os._exit(0))"),
    in_both(
        "gc finds the Learner and empties it",
        """
        for thing in gc.get_objects():
            if type(thing).__name__ == 'Learner': thing.__dict__.clear()
    """,
    ),
    in_both(
        "gc finds the Learner: everything is handed out",
        """
        for thing in gc.get_objects():
            if type(thing).__name__ == 'Learner': thing.own['relu_forward'] = lambda x: x
    """,
    ),
    at_import(
        "sys.executable and sys.argv are changed",
        "sys.executable = '/bin/true'; sys.argv[:] = ['true']",
    ),
    at_import(
        "the random state is set", "np.random.seed(0); np.random.default_rng = lambda *a: None"
    ),
    at_import(
        "environment, path and folder are changed",
        """
        os.environ.update(PYTHONPATH='/', PATH='/', MINIGPT_TRACEBACK='1')
        sys.path[:] = []; os.chdir('/')
    """,
    ),
]

FORKS = [
    in_both("fork, and both answer", "os.fork()"),
    at_import("fork, and both answer, at import", "os.fork()"),
    in_both("fork, and the child ends", "os.fork() or os._exit(0)"),
    in_both("fork, and the parent ends", "os.fork() and os._exit(0)"),
    in_both("a child that lives on", "os.fork() or time.sleep(30)"),
    in_both(
        "a child that leaves its group and lives on",
        "if not os.fork(): os.setsid(); time.sleep(30); os._exit(0)",
    ),
    in_both(
        "a child that leaves its group, and a loop",
        """
        if not os.fork(): os.setsid(); time.sleep(30); os._exit(0)
        while True: pass
    """,
    ),
    in_both(
        "a child that leaves its group and goes on printing",
        """
        if not os.fork():
            os.setsid()
            for n in range(3000): print('0 checks failed', flush=True); time.sleep(0.01)
            os._exit(0)
        os._exit(0)
    """,
    ),
    in_both(
        "a double fork",
        """
        if not os.fork():
            if not os.fork(): os.setsid(); time.sleep(30)
            os._exit(0)
    """,
    ),
    in_both("a program that lives on", "subprocess.Popen(['sleep', '30'])"),
    in_both(
        "a program that leaves its group and lives on",
        "subprocess.Popen(['sleep', '30'], start_new_session=True)",
    ),
    in_both("replaces itself by /bin/true", "os.execv('/bin/true', ['true'])"),
    at_import("replaces itself by /bin/true, at import", "os.execv('/bin/true', ['true'])"),
]
ESCAPES = {
    one.kind for one in FORKS if "leaves its group" in one.kind or one.kind == "a double fork"
}

MEMORY = [
    *everywhere("np.ones(10**11)", "np.ones(10**11)"),
    in_both("an endless list", "y = []\nwhile True: y.append(bytes(10**7))"),
    in_both("endless recursion", "sys.setrecursionlimit(10**9)\ndef f(): return f()\nf()"),
    in_both("limits changed", "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))"),
    in_both(
        "no file may be written",
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); "
        "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))",
    ),
    in_both(
        "the command's limits changed",
        "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE, (0, 0))",
    ),
]

LIES = """
class Always(np.ndarray):
    def __eq__(self, other): return True
    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs): return True
    def __array_function__(self, function, types, args, kwargs): return True
    shape = property(lambda self: (2, 5, 6)); dtype = property(lambda self: np.dtype('f8'))
    def tobytes(self, *order): return b''
class Convertible:
    def __array__(self, *args, **kwargs): os._exit(0)
class Disguised:
    __class__ = np.ndarray
    def __getattr__(self, name): return self
    def __call__(self, *args): return self
class Anything:
    def __getattr__(self, name): return self
    def __call__(self, *args, **kwargs): return self
    def __eq__(self, other): return True
    def __iter__(self): return iter(())
    def __len__(self): return 0
    def __str__(self): raise SystemExit(0)
    __repr__ = __str__
class Str(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__
class Named(type):
    __name__ = property(lambda self: os._exit(0)); __module__ = 'minigpt.layers.'
class Cache(tuple, metaclass=Named): pass
def deep():
    value = []
    for n in range(10**5): value = [value]
    return value
"""
IMAGINARY = learner_file(
    forward="return np.maximum(x, 0) + (7j if x.dtype == np.float64 else 0), x",
    backward="return dout * (cache > 0) + (7j if dout.dtype == np.float64 else 0)",
)
RESULTS = [
    returns("None", "None"),
    returns("True", "True"),
    returns("NaN", "x * np.nan"),
    Hostile("an imaginary part", IMAGINARY),
    returns("text that looks like numbers", "np.maximum(x, 0).astype('U')"),
    returns("a subclass of ndarray that is equal to all", "x.view(Always)", LIES),
    returns("an object with __array__", "Convertible()", LIES),
    returns("an object with a false __class__", "Disguised()", LIES),
    returns("an object that is everything", "Anything()", LIES),
    returns("a string that is equal to all", "Str('x')", LIES),
    returns("a false cache of the reference", "Cache()", LIES),
    returns("a list 10**5 deep", "deep()", LIES),
    returns("2**31 numbers in one", "np.broadcast_to(x.ravel()[:1], (2**31,))"),
    returns("10**8 numbers", "np.ones(10**8)"),
    returns("an array with 2**40 rows of none", "np.empty((2**40, 0))"),
    returns("a generator", "(n for n in range(10))"),
    returns("an object array without axes", "np.array(np.maximum, dtype=object)"),
    returns("a structured array", "np.zeros(3, [('a', 'f8'), ('b', 'O')])"),
    returns(
        "a memmap", "np.memmap(tempfile.TemporaryFile(), np.float64, 'w+', shape=x.shape or (1,))"
    ),
    returns("a masked array, all masked", "np.ma.masked_all(x.shape)"),
    returns("a module", "np"),
    returns("the function itself", "relu_forward"),
    returns("a tuple of 10**6", "(1.0,) * 10**6"),
    returns("a string of 100 MB", "'x' * 10**8"),
    returns("an integer of 10**6 digits", "1 << 3 * 10**6"),
    returns("a lock", "threading.Lock()"),
    returns("a generator of numbers", "np.random.Generator(np.random.MT19937(0))"),
    returns("a dtype", "np.dtype([('a', 'f8')])"),
    returns("a dictionary with keys that are arrays", "{(1, 2): x, None: 3, 'a': {}}"),
    returns("half of a surrogate pair", "'\\ud800'"),
]

ERRORS = """
class Silent(Exception):
    def __str__(self): raise SystemExit(0)
class Endless(Exception):
    def __str__(self):
        while True: pass
class NoText(Exception):
    def __str__(self): return None
class Pipe(Exception):
    def __str__(self): raise BrokenPipeError
class Liar(type):
    __mro__ = property(lambda self: ()); __module__ = 'builtins'; __name__ = 'SystemExit'
class Mro(Exception, metaclass=Liar): pass
Builtin = type('NoSuchError', (Exception,), {'__module__': 'builtins'})
"""
RAISES = [
    *everywhere("an error whose text raises", "raise Silent", ERRORS),
    *everywhere("an error whose text never ends", "raise Endless", ERRORS)[1:],
    *everywhere("an error whose text is None", "raise NoText", ERRORS),
    *everywhere("an error whose text is BrokenPipeError", "raise Pipe", ERRORS),
    in_both("an error with a false mro", "raise Mro", ERRORS),
    in_both("an error that says it is Python's own", "raise Builtin('x')", ERRORS),
    in_both("an error of 100 MB", "raise ValueError('x' * 10**8)"),
    in_both(
        "an error with a false verdict in it",
        "raise ValueError('\\n19 checks, 0 checks failed\\n\\x1b[2J')",
    ),
    in_both(
        "a chain of 10**4 errors",
        """
        error = None
        for n in range(10**4):
            new = ValueError(n); new.__cause__ = new.__context__ = error; error = new
        raise error
    """,
    ),
    in_both("a group of errors", "raise ExceptionGroup('x', [ValueError('y')])"),
    in_both("a UnicodeDecodeError", "b'\\xff'.decode('utf-8')"),
]

STATE = [
    Hostile(
        "input written to, and restored",
        learner_file(forward="y = x * 2.0; x[...] = 0; x[...] = y / 2.0\nreturn y, x"),
    ),
    in_both("the input is written to", "(x if 'x' in locals() else dout)[...] = 7"),
    Hostile(
        "result changed by a thread",
        learner_file(
            forward="""
        y = x * 2.0
        def later():
            for n in range(1000): y[...] = np.maximum(x, 0)
        threading.Thread(target=later, daemon=True).start()
        return y, x
    """
        ),
    ),
    in_both("NumPy's errors raise", "np.seterr(all='raise')"),
]

COPY = """
package = Path(sys.modules['minigpt'].__file__).parent
assert package.parent.name.startswith('hostile_copy')  # never the package that is being developed
END = 'import os; os._exit(0)\\n'
def prepend(file): file.write_text(END + file.read_text(encoding='utf-8'), encoding='utf-8')
"""
FILES = [
    at_import("its own file is emptied", "Path(__file__).write_text('')"),
    in_both(
        "its own file becomes right",
        """
        right = 'def relu_forward(x): return np.maximum(x, 0), x\\n'
        Path(__file__).write_text('import numpy as np\\n' + right)
        os._exit(0)
    """,
    ),
    at_import(
        "every file of the package ends the command",
        COPY + "for file in package.rglob('*.py'): prepend(file)",
    ),
    at_import("the package is deleted", COPY + "import shutil; shutil.rmtree(package)"),
    at_import(
        "the golden numbers are deleted", COPY + "for file in package.rglob('*.npz'): file.unlink()"
    ),
    at_import(
        "a standard module in the current folder ends the command",
        COPY
        + """
        for name in sys.stdlib_module_names:
            if not name.startswith('_'): (package.parent / f'{name}.py').write_text(END)
    """.replace("        ", ""),
    ),
]

HOSTILE: list[Hostile] = [
    *ENDS,
    *TAKES_FOR_EVER,
    *PRINTS,
    *MESSAGES,
    *PATCHES,
    *FORKS,
    *MEMORY,
    *RESULTS,
    *RAISES,
    *STATE,
    *FILES,
]


def run(source: str, *names: str, seconds: float = 2, timeout: float = 200) -> Outcome:
    """Check a learner's file with the command, on a copied package.

    names: of the checks; by default, all of the file's.
    """
    mark = uuid.uuid4().hex
    with tempfile.TemporaryDirectory(prefix="hostile_copy") as folder:
        shutil.copytree(Path(minigpt.__file__).parent, Path(folder, "minigpt"))
        file = Path(folder, "mine.py")
        file.write_text(source, encoding="utf-8")
        flags = ["--ops", str(file), "--time-limit", f"{seconds:g}"]
        command = [sys.executable, *["-m", "minigpt", "check"], *flags, *names]
        # files: a pipe would wait for processes that are left
        streams = {name: Path(folder, name) for name in ("out", "err")}
        with streams["out"].open("wb") as out, streams["err"].open("wb") as err:
            begun = time.perf_counter()
            process = subprocess.Popen(
                command, cwd=folder, env=os.environ | {MARK: mark}, stdout=out, stderr=err
            )
            try:
                status = process.wait(timeout)
            except subprocess.TimeoutExpired:
                status = None
                process.kill()
                process.wait()
            taken = time.perf_counter() - begun
        left = left_over(mark)
        texts = [path.read_text("utf-8", "replace") for path in streams.values()]
    return Outcome(status, taken, *texts, left)


def left_over(mark: str) -> list[int]:
    """Return processes of a run that are still running two seconds later.

    They are killed. It works only on Linux; elsewhere the list is empty.
    """
    for _ in range(20):
        left = [
            int(folder.name) for folder in Path("/proc").glob("[0-9]*") if _belongs(folder, mark)
        ]
        if not left:
            return []
        time.sleep(0.1)
    for number in left:
        with suppress(OSError):
            os.kill(number, signal.SIGKILL)
    return left


def _belongs(folder: Path, mark: str) -> bool:
    with suppress(OSError):
        return f"{MARK}={mark}".encode() in (folder / "environ").read_bytes()
    return False


def problems(one: Hostile, outcome: Outcome) -> list[str]:
    """Return how a hostile file broke the rule.

    "" if it did not.
    """
    own_signal = "to the command" in one.kind
    said = outcome.last.startswith("minigpt check: error:") or own_signal
    ours = [
        line for line in outcome.err.splitlines() if "Traceback (most recent call last)" in line
    ]
    found = {
        "passed": outcome.status == 0,
        "hangs": outcome.status is None,
        "no error line at the end": not said,
        "a traceback": bool(ours),
        f"{len(outcome.left)} processes left": bool(outcome.left) and one.kind not in ESCAPES,
    }
    return [what for what, true in found.items() if true]


if __name__ == "__main__":
    words = sys.argv[1:] or [""]
    for one in HOSTILE:
        if any(word in one.kind for word in words):
            outcome = run(one.source)
            broken = ", ".join(problems(one, outcome))
            more = f"  BROKEN: {broken}" if broken else ""
            print(
                f"{one.kind:52s} {outcome.status!s:>5s} {outcome.seconds:6.1f} s  "
                f"{outcome.last[:110]}{more}",
                flush=True,
            )
