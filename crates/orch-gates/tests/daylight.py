"""Nominal instants of each quarter of an hour of the wall clock around each change of a clock, 2020 to 2040, in every
zone of the machine's database: a second implementation, by PEP 495, to compare timetables with.

Prints a line of JSON for each change: the zone, the change, and by daylight rule the seconds from it of all instants
within three hours.
"""

import json
import sys
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, available_timezones

BEGIN = datetime(2020, 1, 1, tzinfo=timezone.utc)
END = datetime(2041, 1, 1, tzinfo=timezone.utc)
AROUND = 3 * 3600
QUARTER = timedelta(minutes=15)


def changes(zone):
    """The first seconds after each change of the zone's offset."""
    at, offset = BEGIN, BEGIN.astimezone(zone).utcoffset()
    while at < END:
        step = at + timedelta(days=1)
        if step.astimezone(zone).utcoffset() != offset:
            low, high = int(at.timestamp()), int(step.timestamp())
            while high - low > 1:
                middle = (low + high) // 2
                same = datetime.fromtimestamp(middle, zone).utcoffset() == offset
                low, high = (middle, high) if same else (low, middle)
            yield high
            offset = step.astimezone(zone).utcoffset()
        at = step


def instants(zone, change):
    """By rule, the instants of each quarter of an hour that lie within three hours of a change."""
    found = {"skip": set(), "once": set(), "both": set()}
    begin = datetime.fromtimestamp(change, timezone.utc).replace(tzinfo=None) - timedelta(hours=30)
    begin = begin.replace(minute=0, second=0)
    for n in range(60 * 4):
        shown = begin + n * QUARTER
        first, second = (shown.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
        moments = [int(one.timestamp()) - change for one in (first, second)]
        exists = datetime.fromtimestamp(first.timestamp(), zone).replace(tzinfo=None) == shown
        found["once"].add(moments[0])
        found["both"].add(moments[0])
        if exists:
            found["skip"].add(moments[0])
            found["both"].add(moments[1])
    near = lambda all: sorted(at for at in all if -AROUND <= at <= AROUND)
    return {rule: near(all) for rule, all in found.items()}


def main():
    for name in sorted(available_timezones()):
        zone = ZoneInfo(name)
        for change in changes(zone):
            json.dump({"zone": name, "at": change, **instants(zone, change)}, sys.stdout)
            sys.stdout.write("\n")


if __name__ == "__main__":
    main()
