"""A list of claims, tried in order. Each is printed; the program fails if one did."""

import sys
import traceback

_kept, _broken = [], []


def claim(attempt):
    """Tries one claim, which its name says; later ones are tried even when it fails."""
    sentence = attempt.__name__.replace("_", " ")
    try:
        attempt()
        _kept.append(sentence)
        print("ok     ", sentence)
    except Exception:  # noqa: BLE001 - whatever went wrong, it is printed and counted
        _broken.append(sentence)
        print("not ok ", sentence, "\n        " + traceback.format_exc(limit=-3).replace("\n", "\n        "))
    return attempt


def finish():
    """Says how many held, and ends."""
    print(f"{len(_kept)} kept, {len(_broken)} broken")
    sys.exit(1 if _broken else 0)
