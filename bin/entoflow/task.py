"""How a task script ends: a person's mistake is one sentence and exit status 2, never a traceback."""
import os
import sys


class InputError(Exception):
    """What a person gave cannot be used. The message is one sentence: the file (and row), what was found, what was wanted."""


def run(main):
    """Call main with the command line's arguments and end the process as the contract says.

    Exit status 2 for an InputError, 1 with one sentence for a full disk or a folder that cannot be written.
    Anything else is a bug of ours and keeps its traceback.
    """
    try:
        main(sys.argv[1:])
    except InputError as error:
        sys.exit(_say(error, 2))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        if error.errno is None:
            raise
        sys.exit(_say(f"{error.filename or 'output'}: {error.strerror}.", 1))


def _say(sentence, status):
    print(f"error: {sentence}", file=sys.stderr)
    return status
