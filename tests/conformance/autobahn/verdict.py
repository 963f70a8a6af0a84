"""What the suite's `index.json` says: `wstest` itself exits 0 whatever happens."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conformance.autobahn.echo import AGENT

BEHAVIOURS = ("OK", "NON-STRICT", "INFORMATIONAL", "FAILED", "UNIMPLEMENTED")
GOOD_CLOSES = {"OK", "INFORMATIONAL"}

BASIC_CASES = 301
"""Groups 1 to 11."""
COMPRESSION_GROUPS = {12: 90, 13: 126}
LEAST_STRICT = 298
MOST_NOT_STRICT = BASIC_CASES - LEAST_STRICT


@dataclass
class Outcome:
    """What one side achieved.

    Attributes:
        behaviours: by case.
    """

    behaviours: dict[str, str]

    def table(self) -> str:
        """How many of each group behaved how, and which were not strictly OK."""
        lines = ["group " + " ".join(f"{name:>13}" for name in BEHAVIOURS)]
        groups = sorted({group_of(case) for case in self.behaviours})
        for group in groups:
            counts = Counter(how for case, how in self.behaviours.items() if group_of(case) == group)
            lines.append(f"{group:>5} " + " ".join(f"{counts[name] or '.':>13}" for name in BEHAVIOURS))
        counts = Counter(self.behaviours.values())
        lines.append("  all " + " ".join(f"{counts[name]:>13}" for name in BEHAVIOURS))
        lines += [f"{case}: {how}" for case, how in self.behaviours.items() if how != "OK"]
        return "\n".join(lines)

    def problems(self, whole: bool) -> Iterator[str]:
        """Say what falls short of the figures to hold.

        Args:
            whole: whether all cases were asked for.
        """
        basic = [how for case, how in self.behaviours.items() if group_of(case) not in COMPRESSION_GROUPS]
        strict = basic.count("OK")
        if whole and len(basic) < BASIC_CASES:
            yield f"only {len(basic)} of the {BASIC_CASES} cases 1 to 11 were run"
        if len(basic) - strict > MOST_NOT_STRICT:
            yield f"{strict} of {len(basic)} cases 1 to 11 are strictly OK, and {MOST_NOT_STRICT} may be not"
        for group, size in COMPRESSION_GROUPS.items():
            hows = [how for case, how in self.behaviours.items() if group_of(case) == group]
            if hows.count("OK") < (size if whole else len(hows)):
                yield f"{hows.count('OK')} of {size if whole else len(hows)} cases of group {group} are OK"
        failed = [case for case, how in self.behaviours.items() if how == "FAILED"]
        if failed:
            yield f"failed: {', '.join(failed)}"
        if not self.behaviours:
            yield "no case was run"


def group_of(case: str) -> int:
    """Return the first number of a case such as 7.1.5."""
    return int(case.partition(".")[0])


def read(index: Path) -> Outcome:
    """Return what one run achieved; in the order of the cases. A close that is not good is a failure, too."""
    cases = json.loads(index.read_text())[AGENT] if index.exists() else {}
    ordered = sorted(cases, key=lambda case: [int(number) for number in case.split(".")])
    return Outcome(
        {case: cases[case]["behavior"] if cases[case]["behaviorClose"] in GOOD_CLOSES else "FAILED" for case in ordered}
    )
