#!/usr/bin/env python3
"""Look at a gallery or change it by hand: one action a call, each but --list, --history and --verify a revision that --undo takes back.

Nothing is deleted: what is removed is no longer used, and stays in the folder with who did it and when.
"""
import argparse
from datetime import datetime, timezone
from pathlib import Path

from entoflow.task import InputError, login, run


def main(argv):
    args = parser().parse_args(argv)
    if bool(args.merge) != bool(args.into):
        raise InputError(f"--{'merge' if args.merge else 'into'} was given alone; wanted --merge LABEL... --into NEW.")
    from entoflow.identification import gallery

    opened = gallery.read(args.gallery)
    if args.list:
        print("\n".join([*(f"{label}\t{n}" for label, n in opened.classes.items()), state(opened)]))
    elif args.history:
        print("\n".join([*(line(revision, opened.undone) for revision in opened.revisions), state(opened)]))
    elif args.verify:
        print(f"{opened.verify()} files are as they were written; {state(opened)}")
    else:
        print(f"{told(edit(opened, args))}; {state(opened)}")


def parser():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("gallery", metavar="GALLERY", type=Path, help="folder of the gallery")
    one = p.add_mutually_exclusive_group(required=True)
    one.add_argument("--list", action="store_true", help="show the classes and their numbers of images")
    one.add_argument("--history", action="store_true", help="show the revisions")
    one.add_argument("--verify", action="store_true", help="check every file by its SHA-256")
    one.add_argument("--remove", metavar="LABEL", help="remove a class")
    one.add_argument("--remove_image", metavar="NAME", help="remove an image")
    one.add_argument("--rename", nargs=2, metavar=("OLD", "NEW"), help="give a class another label")
    one.add_argument("--merge", nargs="+", metavar="LABEL", help="make one class of these, named by --into")
    one.add_argument("--undo", action="store_true", help="take the last revision back")
    p.add_argument("--into", metavar="NEW", help="label of the merged classes")
    p.add_argument("--by", metavar="NAME", help="who does it (default: your login name)")
    return p


def edit(opened, args):
    """Make the change that was asked for and return its revision."""
    who = {"by": args.by or login(), "at": datetime.now(timezone.utc).isoformat(timespec="seconds")}
    if args.undo:
        return {"action": "undo", "undone": opened.undo(**who)}
    if args.rename:
        return opened.rename(*args.rename, **who)
    if args.merge:
        return opened.merge(args.merge, args.into, **who)
    return opened.remove(**who, label=args.remove, images=[] if args.remove_image is None else [args.remove_image])


def told(revision):
    """Return what a revision did, in words."""
    action, n = revision["action"], images(revision.get("specimens"))
    if action == "enrol":
        return f"enrolled {n} from {revision['source']} ({revision['skipped']} skipped)"
    if action == "rename":
        return f"renamed '{revision['old']}' to '{revision['new']}' ({n})"
    if action == "merge":
        return f"merged {quoted(revision['labels'])} into '{revision['into']}' ({n})"
    if action == "undo":
        undone = revision["undone"]
        return f"undid revision {undone}" if isinstance(undone, int) else f"undid revision {undone['number']}: {told(undone)}"
    return f"removed class '{revision['label']}' ({n})" if revision["label"] else f"removed {n}: {quoted(revision['images'])}"


def line(revision, undone):
    words = f"{told(revision)} (undone)" if revision["number"] in undone else told(revision)
    return f"{revision['number']}\t{revision['at']}\t{revision['by']}\t{words}"


def state(opened):
    n = len(opened.classes)
    return f"{images(len(opened))} in {n} {'class' if n == 1 else 'classes'}."


def images(n):
    return f"{n} image{'' if n == 1 else 's'}"


def quoted(names):
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more


if __name__ == "__main__":
    run(main)
