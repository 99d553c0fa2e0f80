"""How a task script ends: a person's mistake is one sentence and exit status 2, never a traceback."""
import errno
import os
import signal
import sys

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class InputError(Exception):
    """What a person gave cannot be used. The message is one sentence: the file (and row), what was found, what was wanted."""


def login():
    """Return the login name. Raises InputError for a user without one, as a container's may be."""
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise InputError("--by is missing and you have no login name; wanted --by NAME.") from None


def first_line(error):
    """Return the first line of what an error says, or its kind where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def run(main):
    """Call main with the command line's arguments and end the process as the contract says.

    Exit status 2 for an InputError, 1 with one sentence for a full disk or a folder that cannot be written, 130 for Ctrl-C,
    which a task would not hear: bash starts it deaf to it, and Nextflow's measuring wrapper may die before it passes it on.
    Anything else is a bug of ours and keeps its traceback.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(_say(error, 2))
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        fault = _fault(error)
        if fault is None:
            raise
        sys.exit(_say(fault, 1))


def _fault(error):
    """Return the sentence for what the machine refused, or None. torch puts an error of its own before that of the disk."""
    cause = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in NO_ROOM:
            folder, name = os.path.split(os.path.abspath(cause.filename2 or cause.filename or _written(cause)))
            return f"{name}: {cause.strerror}; wanted more room on the disk of {folder}."
        cause = cause.__context__
    return f"{error.filename or 'output'}: {error.strerror}." if isinstance(error, OSError) and error.errno else None


def _written(error):
    """Return the file that could not be written: an error of writing does not name it, but a call that failed held it."""
    import io
    import traceback
    import zipfile

    for frame, _ in reversed(list(traceback.walk_tb(error.__traceback__))):
        for value in frame.f_locals.values():
            held = isinstance(value, (io.IOBase, zipfile.ZipFile)) and getattr(value, "mode", "w") not in ("r", "rb")
            name = held and (getattr(value, "name", None) or getattr(value, "filename", None))
            if isinstance(name, str):
                return name
    return "output"


def _say(sentence, status):
    print(f"error: {sentence}", file=sys.stderr)
    return status
