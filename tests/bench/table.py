"""The rows of the bench, as they come and side by side."""


def _shown(value):
    """A value as text; no more than three digits behind the point."""
    return f"{value:.3f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


class Table:
    """Rows of (machine, name, value, unit, limit, why); a limit is the most a value may be."""

    def __init__(self):
        self.rows = []
        self.machine = ""

    def add(self, name, value, unit="", limit=None, why=""):
        """Prints the row as it comes."""
        passed = None if limit is None else value <= limit
        self.rows.append({"machine": self.machine, "name": name, "value": value, "unit": unit,
                          "limit": limit, "why": why, "passed": passed})
        verdict = "" if passed is None else f"   at most {limit}: {'pass' if passed else 'FAIL'}"
        if why:
            verdict += f", {why}" if verdict else f"   {why}"
        print(f"{name:46} {_shown(value):>12} {unit:9}{verdict}", flush=True)

    def heading(self, text):
        """A line between sections."""
        print(f"-- {text}", flush=True)

    def side_by_side(self):
        """The rows that every machine can be compared by: counts and sizes, no times."""
        machines = list(dict.fromkeys(row["machine"] for row in self.rows))
        if len(machines) < 2:
            return
        values = {}
        for row in self.rows:
            if row["unit"] not in ("s", "ms", "%", "/s"):
                unit = "" if row["name"].endswith(row["unit"]) else f", {row['unit']}"
                by_machine = values.setdefault(row["name"] + unit, {})
                by_machine[row["machine"]] = _shown(row["value"])
        self.heading("side by side")
        print(f"{'':46}" + "".join(f" {name:>16}" for name in machines))
        for name, by_machine in values.items():
            print(f"{name:46}" + "".join(f" {by_machine.get(m, '-'):>16}" for m in machines))
