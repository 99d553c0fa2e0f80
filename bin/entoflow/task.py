"""How a task script ends.

A person's mistake is one sentence and exit status 2, never a traceback.
"""

import errno
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InputError(Exception):
    """The user's input cannot be used.

    The message is one sentence: the file (and row), what was found, what was wanted.
    """


def login() -> str:
    """Return the login name. Raises InputError for a user without one, as a container's may be."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise InputError("--by is missing and you have no login name; wanted --by NAME.") from None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or its kind where it has none."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def run(main: Callable[[list[str]], Any]) -> None:
    """Call main with the command line's arguments and end the process as the contract says.

    Exit status 2 for an InputError, 1 with one sentence for a full disk or a folder that cannot be
    written, 130 for Ctrl-C, which a task would not notice: bash starts it with that signal ignored,
    and Nextflow's measuring wrapper may die before it passes it on. Anything else is a bug of ours
    and keeps its traceback.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(_report(str(error), 2))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        sentence = _refusal_of_the_machine(error)
        if sentence is None:
            raise
        sys.exit(_report(sentence, 1))


def _refusal_of_the_machine(error: BaseException) -> str | None:
    """Return the sentence for an error of the disk, None for any other. torch raises an error of
    its own after the disk's.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            path = cause.filename2 or cause.filename or "output"  # files.whole names what it writes
            folder, name = os.path.split(os.path.abspath(path))
            return f"{name}: {cause.strerror}; wanted more room on the disk of {folder}."
        cause = cause.__context__
    if isinstance(error, OSError) and error.errno:
        return f"{error.filename or 'output'}: {error.strerror}."
    return None


def _report(sentence: str, status: int) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return status
