#!/usr/bin/env python3
"""A second, independent reading of a folder of vulnerability feeds.

It follows the formats (RustSec, PyPA's OSV, CISA KEV, CSAF 2.0), not the Rust code of `examples/feeds`,
and must come to the same export, byte for byte. Standard library only; PyYAML is used where it is installed.
"""

import argparse
import hashlib
import json
import os
import re
import sys
import tomllib
from datetime import datetime, timedelta

try:
    import yaml
except ImportError:
    yaml = None

FEEDS = {"rustsec": ".md", "pypa": ".yaml", "csaf": ".json", "kev": ".json"}  # in order of precedence
BLANK = " \t\r\n"


class Bad(Exception):
    """A document that must be refused, with its code."""


# --- values ---------------------------------------------------------------------------------------


def canonical(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def unique(items):
    return [item for _, item in sorted({canonical(item): item for item in items}.items())]


def unique_texts(items):
    return sorted(set(items))


def pruned(record):
    return {name: value for name, value in record.items() if value not in (None, [], {}, "")}


def typed(value, kind):
    if not isinstance(value, kind):
        raise Bad("bad_schema")
    return value


def child(value, name, kind, needed=False):
    found = typed(value, dict).get(name)
    if found is None:
        if needed:
            raise Bad("bad_schema")
        return None
    return typed(found, kind)


def text(value, name):
    return child(value, name, str, needed=True)


def texts(value, name, needed=False):
    return [typed(item, str) for item in child(value, name, list, needed) or []]


def maps(value, name, needed=False):
    return [typed(item, dict) for item in child(value, name, list, needed) or []]


def strip(value):
    return None if value is None else value.strip(BLANK) or None


def identity(value, name):
    found = strip(child(value, name, str))
    if found is None:
        raise Bad("missing_id")
    return found


TIME = re.compile(r"(\d{4}-\d\d-\d\d)(?:T(\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d)))?", re.ASCII)


def time(value, name, needed=False):
    found = child(value, name, str, needed)
    if found is None:
        return None
    match = TIME.fullmatch(found)
    try:
        day, clock, fraction, sign, hours, minutes = match.groups()
        at = datetime.fromisoformat(f"{day}T{clock or '00:00:00'}")
        if at.year > 2999 or int(hours or 0) > 23 or int(minutes or 0) > 59:
            raise ValueError(found)
        shift = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        at = at + shift if sign == "-" else at - shift
    except (AttributeError, ValueError, OverflowError):
        raise Bad("bad_schema") from None
    return f"{at.isoformat()}.{((fraction or '') + '000000')[:6]}Z"


def parsed_json(document):
    def refuse(constant):
        raise ValueError(constant)

    try:
        value = json.loads(document, parse_constant=refuse)
        canonical(value).encode()  # half a surrogate pair is no text
        return value
    except ValueError:
        raise Bad("bad_syntax" if document.rstrip(BLANK).endswith("}") else "truncated") from None


def link(kind, url):
    return {"type": kind, "url": url}


# --- YAML: the part of it that PyPA's files use, every scalar taken as it is written -----------------


class Yaml:
    """Block mappings and sequences of plain, quoted and literal scalars; anything else is refused."""

    KEY = re.compile(r"([A-Za-z_][\w-]*):(?: +|$)", re.ASCII)
    ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/", "0": "\0", " ": " ", "_": "\xa0",
               "a": "\a", "b": "\b", "e": "\x1b", "f": "\f", "v": "\v", "N": "\x85", "L": "\u2028", "P": "\u2029"}

    def __init__(self, source):
        self.lines = source.split("\n")[:-1]
        self.at = 0

    def load(self):
        value = self.block(0)
        if self.peek() is not None:
            raise Bad("bad_syntax")
        return value

    def peek(self):
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip(" ") and not line.lstrip(" ").startswith("#"):
                return line
            self.at += 1
        return None

    @staticmethod
    def indent(line):
        return len(line) - len(line.lstrip(" "))

    def block(self, least):
        line = self.peek()
        if line is None or self.indent(line) < least:
            return None
        column = self.indent(line)
        return self.sequence(column) if self.is_item(line[column:]) else self.mapping(column)

    @staticmethod
    def is_item(rest):
        return rest == "-" or rest.startswith("- ")

    def sequence(self, column):
        items = []
        while (line := self.peek()) is not None and self.indent(line) == column and self.is_item(line[column:]):
            rest = line[column + 1:]
            if not rest.strip(" "):
                self.at += 1
                items.append(self.block(column + 1))
            elif self.KEY.match(rest.lstrip(" ")):
                inner = column + 1 + self.indent(rest)
                self.lines[self.at] = " " * inner + rest.lstrip(" ")  # the item's mapping begins on its line
                items.append(self.mapping(inner))
            else:
                items.append(self.scalar(rest.lstrip(" "), column))
        return items

    def mapping(self, column):
        found = {}
        while (line := self.peek()) is not None and self.indent(line) == column:
            match = self.KEY.match(line, column)
            if not match or match[1] in found:
                raise Bad("bad_syntax")
            rest = line[match.end():]
            if rest.strip(" "):
                found[match[1]] = self.scalar(rest, column)
                continue
            self.at += 1
            after = self.peek()
            level = column if after is not None and self.is_item(after[column:]) else column + 1
            found[match[1]] = self.block(level)
        if (line := self.peek()) is not None and self.indent(line) > column:
            raise Bad("bad_syntax")
        return found

    def scalar(self, rest, column):
        self.at += 1
        if rest[0] in "|>":
            return self.literal(rest, column)
        if rest[0] in "'\"":
            return self.quoted(rest, column)
        if rest[0] in "[]{}&*!%@`" or rest[0] in "?-:" and rest[1:2] in ("", " "):
            raise Bad("bad_syntax")
        parts = [rest]
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip(" ") and self.indent(line) <= column:
                break
            parts.append(line)
            self.at += 1
        while not parts[-1].strip(BLANK):
            parts.pop()
            self.at -= 1
        if any(": " in part + " " or " #" in part for part in parts):
            raise Bad("bad_syntax")
        value = self.folded([part.strip(" \t") for part in parts])
        return None if value in ("~", "null", "Null", "NULL") else value

    @staticmethod
    def folded(parts):
        value = parts[0]
        breaks = 0
        for part in parts[1:]:
            if not part:
                breaks += 1
                continue
            value += ("\n" * breaks if breaks else " ") + part
            breaks = 0
        return value + "\n" * breaks if breaks else value

    def literal(self, header, column):
        match = re.fullmatch(r"\|([1-9]?)([+-]?)([1-9]?) *", header)
        if not match:
            raise Bad("bad_syntax")
        given = match[1] or match[3]
        body = []
        while self.at < len(self.lines):
            line = self.lines[self.at]
            if line.strip(" ") and self.indent(line) <= column:
                break
            body.append(line)
            self.at += 1
        first = next((line for line in body if line.strip(" ")), "")
        level = column + int(given) if given else self.indent(first)
        value = "".join(line[level:] + "\n" for line in body)
        if match[2] == "+":
            return value
        value = value.rstrip("\n")
        return value if match[2] == "-" or not value else value + "\n"

    def quoted(self, rest, column):
        mark, raw = rest[0], rest[1:]
        end = re.compile(r"(?:[^']|'')*'" if mark == "'" else r'(?:[^"\\]|\\[\s\S])*"')
        while not (match := end.match(raw)) or (mark == "'" and raw[match.end():match.end() + 1] == "'"):
            if self.at == len(self.lines):
                raise Bad("bad_syntax")
            raw += "\n" + self.lines[self.at]
            self.at += 1
        if raw[match.end():].strip(" "):
            raise Bad("bad_syntax")
        raw = raw[:match.end() - 1]
        if mark == "'":
            return self.lined(raw).replace("''", "'")
        raw = re.sub(r"(?:\\\\)*\\\n[ \t]*", lambda match: self.joined(match[0]), raw)
        return self.unescaped(self.lined(raw, keep=True))

    @staticmethod
    def joined(escaped):
        """An escaped line break joins two lines; \\x00 stands for it until the lines are folded."""
        return escaped[:escaped.index("\n") - 1] + "\\\x00"

    def lined(self, raw, keep=False):
        lines = raw.split("\n")
        parts = [lines[0].rstrip(" \t") if len(lines) > 1 else lines[0]]
        parts += [line.strip(" \t") for line in lines[1:-1]]
        if len(lines) > 1:
            parts.append(lines[-1].lstrip(" \t"))
        if len(parts) == 1:
            return parts[0]
        value, breaks = parts[0], 0
        for index, part in enumerate(parts[1:], 1):
            if not part and index < len(parts) - 1:
                breaks += 1
                continue
            value += ("\n" * breaks if breaks else " ") + part
            breaks = 0
        return value

    def unescaped(self, value):
        def replace(match):
            kind = match[1][0]
            if kind == "\x00":
                return ""
            if kind in "xuU":
                return chr(int(match[1][1:], 16))
            if kind not in self.ESCAPES:
                raise Bad("bad_syntax")
            return self.ESCAPES[kind]

        return re.sub(r"\\(x[0-9A-Fa-f]{2}|u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|[\s\S])", replace, value)


def parsed_yaml(document, own):
    if own or yaml is None:
        return Yaml(document).load()
    try:
        return yaml.load(document, Loader)
    except (yaml.YAMLError, ValueError):
        raise Bad("bad_syntax") from None


if yaml is not None:

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        """Scalars as they are written; only nulls are known."""

        yaml_implicit_resolvers = {
            first: [("tag:yaml.org,2002:null", re.compile(r"(?:~|null|Null|NULL|)$"))] for first in ("~", "n", "N", "")
        }


# --- the four formats -------------------------------------------------------------------------------


REQUIREMENT = re.compile(
    r"(>=|<=|[=^~><]|) *(0|[1-9]\d*)(?:\.(0|[1-9]\d*)(?:\.(0|[1-9]\d*)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?)?)?", re.ASCII
)


def version_order(version):
    """Sorts (major, minor, patch, pre-release) as SemVer does; a pre-release comes in front of its release."""
    *numbers, pre = version
    parts = [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in pre.split(".")] if pre else [(2, 0, "")]
    return numbers, parts


def version_text(version):
    return "{}.{}.{}".format(*version) + (f"-{version[3]}" if version[3] else "")


def bounds(comparator):
    """From which version on, and up to which other, a part of a requirement holds; None has no end."""
    match = REQUIREMENT.fullmatch(comparator.strip(BLANK))
    if not match:
        raise Bad("bad_schema")
    major, minor, patch = (None if part is None else int(part) for part in match.groups()[1:4])
    pre = match[5] or ""
    first = (major, minor or 0, patch or 0, pre)
    if minor is None:
        beyond = (major + 1, 0, 0, "")
    elif patch is None:
        beyond = (major, minor + 1, 0, "")
    else:
        beyond = (major, minor, patch, pre + ".0") if pre else (major, minor, patch + 1, "0")
    tilde = (major + 1, 0, 0, "") if minor is None else (major, minor + 1, 0, "")
    if major or minor is None:
        caret = (major + 1, 0, 0, "")
    elif minor or patch is None:
        caret = (0, minor + 1, 0, "")
    else:
        caret = (0, 0, patch + 1, "")
    return {
        "=": (first, beyond), ">": (beyond, None), ">=": (first, None), "<": (LEAST, first), "<=": (LEAST, beyond),
        "~": (first, tilde), "^": (first, caret), "": (first, caret),
    }[match[1]]


LEAST = (0, 0, 0, "0")


def affected_events(requirements):
    """OSV's events for all versions that meet none of the requirements."""
    covered = []
    for requirement in requirements:
        parts = [bounds(part) for part in requirement.split(",")] if requirement.strip(BLANK) != "*" else [(LEAST, None)]
        start = max((start for start, _ in parts), key=version_order)
        end = min((end for _, end in parts if end), key=version_order, default=None)
        if end is None or version_order(start) < version_order(end):
            covered.append((start, end))
    events, reached = [], LEAST
    for start, end in sorted(covered, key=lambda interval: version_order(interval[0])):
        if version_order(start) > version_order(reached):
            events += [{"introduced": version_text(reached)}, {"fixed": version_text(start)}]
        if end is None:
            return events
        reached = max(reached, end, key=version_order)
    return events + [{"introduced": version_text(reached)}]


def rustsec(path, document):
    document = document.replace("\r\n", "\n")
    opening = "```toml\n"
    if not document.startswith(opening):
        raise Bad("truncated" if opening.startswith(document) else "bad_schema")
    front, closed, body = document[len(opening):].partition("\n```\n")
    body = body.strip(BLANK)
    if not closed:
        raise Bad("truncated")
    try:
        front = tomllib.loads(front)
    except tomllib.TOMLDecodeError:
        raise Bad("bad_syntax") from None
    advisory = child(front, "advisory", dict, needed=True)
    id = identity(advisory, "id")
    if not body:
        raise Bad("truncated")
    if not body.startswith("# "):
        raise Bad("bad_schema")
    title, _, details = body[2:].partition("\n")
    versions = child(front, "versions", dict, needed=True)
    affected = child(front, "affected", dict) or {}
    patched, unaffected = texts(versions, "patched", needed=True), texts(versions, "unaffected")
    events = affected_events(patched + unaffected)
    name, score, url = text(advisory, "package"), child(advisory, "cvss", str), child(advisory, "url", str)
    kind = "CVSS_V" + ({"CVSS:3": "3", "CVSS:4": "4"}.get(score[:6], "2") if score else "")
    links = [link("ADVISORY", f"https://rustsec.org/advisories/{id}.html")]
    links += [link("REPORT", url)] if url is not None else []
    yield path, id, [{
        "id": id,
        "published": time(advisory, "date", needed=True),
        "withdrawn": time(advisory, "withdrawn"),
        "aliases": texts(advisory, "aliases"),
        "related": texts(advisory, "related"),
        "summary": strip(title),
        "details": strip(details),
        "severity": [{"type": kind, "score": score}] if score is not None else [],
        "affected": [{
            "package": {"ecosystem": "crates.io", "name": name, "purl": f"pkg:cargo/{name}"},
            "ranges": [{"type": "SEMVER", "events": events}] if events else [],
            "ecosystem_specific": {
                "patched": patched,
                "unaffected": unaffected,
                "affected_arch": texts(affected, "arch"),
                "affected_os": texts(affected, "os"),
                "affected_functions": list(child(affected, "functions", dict) or {}),
            },
        }],
        "references": links + [link("WEB", url) for url in texts(advisory, "references")],
        "database_specific": {
            "categories": texts(advisory, "categories"),
            "keywords": texts(advisory, "keywords"),
            "informational": [child(advisory, "informational", str)] if "informational" in advisory else [],
            "license": [child(advisory, "license", str)] if "license" in advisory else [],
        },
    }]


def pypa(path, document, own_yaml):
    if not document.endswith("\n"):
        raise Bad("truncated")
    advisory = parsed_yaml(document, own_yaml)
    record = {"id": identity(advisory, "id"), "modified": time(advisory, "modified", needed=True)}
    for name in ("published", "withdrawn"):
        record[name] = time(advisory, name)
    for name in ("aliases", "related"):
        record[name] = texts(advisory, name)
    for name in ("summary", "details"):
        record[name] = strip(child(advisory, name, str))
    record["severity"] = [{"type": text(s, "type"), "score": text(s, "score")} for s in maps(advisory, "severity")]
    record["references"] = [link(text(r, "type"), text(r, "url")) for r in maps(advisory, "references")]
    record["affected"] = []
    for affected in maps(advisory, "affected", needed=True):
        package = child(affected, "package", dict, needed=True)
        ranges = []
        for range in maps(affected, "ranges"):
            events = [{name: typed(at, str) for name, at in event.items()} for event in maps(range, "events", needed=True)]
            ranges.append(pruned({"type": text(range, "type"), "repo": child(range, "repo", str), "events": events}))
        record["affected"].append({
            "package": pruned({"ecosystem": text(package, "ecosystem"), "name": text(package, "name"), "purl": child(package, "purl", str)}),
            "ranges": ranges,
            "versions": texts(affected, "versions"),
        })
    yield path, record["id"], [record]


def kev(path, document):
    catalogue = parsed_json(document)
    vulnerabilities = maps(catalogue, "vulnerabilities", needed=True)
    count = catalogue.get("count")
    if count is not None and (isinstance(count, bool) or count != len(vulnerabilities)):
        raise Bad("bad_schema")
    for index, found in enumerate(vulnerabilities):
        id = identity(found, "cveID")
        urls = [part.strip(BLANK) for part in (child(found, "notes", str) or "").split(";")]
        ransomware = child(found, "knownRansomwareCampaignUse", str)
        yield f"{path}#/vulnerabilities/{index}", id, [{
            "id": id,
            "published": time(found, "dateAdded", needed=True),
            "summary": strip(text(found, "vulnerabilityName")),
            "details": strip(text(found, "shortDescription")),
            "affected": [{"package": {
                "ecosystem": "CPE",
                "name": text(found, "vendorProject").strip(BLANK) + ":" + text(found, "product").strip(BLANK),
            }}],
            "references": [link("WEB", url) for url in urls if url.startswith(("https://", "http://"))],
            "database_specific": {
                "cwes": texts(found, "cwes"),
                "exploited_added_at": [time(found, "dateAdded", needed=True)],
                "exploited_due_at": [time(found, "dueDate", needed=True)],
                "exploited_ransomware": [ransomware] if ransomware is not None else [],
                "exploited_required_action": [text(found, "requiredAction")],
            },
        }]


def csaf_links(value):
    return [link("ADVISORY" if child(r, "category", str) == "self" else "WEB", text(r, "url")) for r in maps(value, "references")]


def csaf_products(value):
    """Every (id, name) pair of a product tree or a branch of one."""
    for branch in maps(value, "branches"):
        product = child(branch, "product", dict)
        if product is not None:
            yield text(product, "product_id"), text(product, "name")
        yield from csaf_products(branch)
    for product in maps(value, "full_product_names"):
        yield text(product, "product_id"), text(product, "name")
    for relationship in maps(value, "relationships"):
        product = child(relationship, "full_product_name", dict, needed=True)
        yield text(product, "product_id"), text(product, "name")


def csaf(path, document):
    root = parsed_json(document)
    about = child(root, "document", dict, needed=True)
    if text(about, "csaf_version") != "2.0":
        raise Bad("bad_schema")
    tracking = child(about, "tracking", dict, needed=True)
    id = identity(tracking, "id")
    common = {
        "id": id,
        "published": time(tracking, "initial_release_date", needed=True),
        "modified": time(tracking, "current_release_date", needed=True),
        "summary": strip(text(about, "title")),
        "references": csaf_links(about),
    }
    names = {}
    for product, name in csaf_products(child(root, "product_tree", dict) or {}):
        names[product] = min(name, names.get(product, name))
    records = []
    for found in maps(root, "vulnerabilities"):
        cve = strip(child(found, "cve", str))
        cwe = child(found, "cwe", dict)
        status = child(found, "product_status", dict) or {}
        scores = [
            {"type": kind, "score": text(score[name], "vectorString")}
            for score in maps(found, "scores")
            for name, kind in (("cvss_v2", "CVSS_V2"), ("cvss_v3", "CVSS_V3"))
            if child(score, name, dict) is not None
        ]
        notes = [strip(text(note, "text")) for note in maps(found, "notes")]
        products = texts(status, "known_affected")
        if not set(products) <= set(names):
            raise Bad("bad_schema")
        records.append(common | {
            "id": cve or id,
            "related": [id] if cve else [],
            "details": strip("\n\n".join(note for note in notes if note)),
            "severity": scores,
            "affected": [{"package": {"ecosystem": "CSAF", "name": names[product]}} for product in products],
            "references": common["references"] + csaf_links(found),
            "database_specific": {"cwes": [text(cwe, "id")]} if cwe is not None else {},
        })
    yield path, id, records or [common]


# --- the folder, merging and the export ---------------------------------------------------------------


def documents(folder, feed):
    found = []
    for parent, folders, files in os.walk(os.path.join(folder, feed)):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if name.endswith(FEEDS[feed]) and not name.startswith("."):
                found.append(os.path.relpath(os.path.join(parent, name), folder).replace(os.sep, "/"))
    return sorted(found)


def content(folder, path):
    with open(os.path.join(folder, path), "rb") as file:
        return file.read()


def entries(folder, feed, path, own_yaml):
    data = content(folder, path)
    if feed == "csaf":
        beside = path + ".sha512"
        published = content(folder, beside).split() if os.path.exists(os.path.join(folder, beside)) else []
        if not published:
            raise Bad("hash_missing")
        if published[0].decode(errors="replace").lower() != hashlib.sha512(data).hexdigest():
            raise Bad("hash_mismatch")
    try:
        document = data.decode()
    except UnicodeDecodeError:
        raise Bad("not_utf8") from None
    readers = {"rustsec": rustsec, "csaf": csaf, "kev": kev, "pypa": lambda *given: pypa(*given, own_yaml)}
    return list(readers[feed](path, document))


def normal_affected(affected):
    specific = {name: unique_texts(values) for name, values in affected.get("ecosystem_specific", {}).items()}
    return pruned({
        "package": affected["package"],
        "ranges": unique(affected.get("ranges", [])),
        "versions": unique_texts(affected.get("versions", [])),
        "ecosystem_specific": pruned(specific),
    })


def preferred(ids):
    kinds = ("CVE-", "GHSA-", "RUSTSEC-", "PYSEC-")
    return min(ids, key=lambda id: (next((n for n, kind in enumerate(kinds) if id.startswith(kind)), 4), id))


def advisory(tellings):
    """One advisory of (feed, path, entry id, record) in order of precedence."""
    records = [record for *_, record in tellings]
    every = lambda name: [item for record in records for item in record.get(name) or []]  # noqa: E731
    first = lambda name: next((record[name] for record in records if record.get(name)), None)  # noqa: E731
    ids = {record["id"] for record in records} | set(every("aliases"))
    id = preferred(ids)
    specific = {}
    for record in records:
        for name, values in record.get("database_specific", {}).items():
            specific.setdefault(name, []).extend(values)
    published = [record["published"] for record in records if record.get("published")]
    modified = [record.get("modified") or record.get("published") for record in records]
    withdrawn = [record.get("withdrawn") for record in records]
    return pruned({
        "id": id,
        "aliases": unique_texts(ids - {id}),
        "related": unique_texts(set(every("related")) - ids),
        "published": min(published, default=None),
        "modified": max((at for at in modified if at), default=None),
        "withdrawn": max(withdrawn) if all(withdrawn) else None,
        "summary": first("summary"),
        "details": first("details"),
        "severity": unique(every("severity")),
        "affected": unique(normal_affected(affected) for affected in every("affected")),
        "references": unique(every("references")),
        "database_specific": pruned({name: unique_texts(values) for name, values in specific.items()}),
        "sources": unique({"feed": feed, "id": entry, "path": path} for feed, path, entry, _ in tellings),
    })


def merged(tellings):
    """Groups tellings by walking from id to id, and makes an advisory of each group."""
    by_id = {}
    for number, (*_, record) in enumerate(tellings):
        for id in {record["id"], *record.get("aliases", [])}:
            by_id.setdefault(id, []).append(number)
    seen = set()
    for start in range(len(tellings)):
        if start in seen:
            continue
        group, todo = set(), [start]
        while todo:
            number = todo.pop()
            if number in group:
                continue
            group.add(number)
            record = tellings[number][3]
            for id in {record["id"], *record.get("aliases", [])}:
                todo.extend(by_id.pop(id, []))
        seen |= group
        yield advisory([tellings[number] for number in sorted(group)])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="holds rustsec/, pypa/, csaf/ and kev/")
    parser.add_argument("--out", help="where to write the export")
    parser.add_argument("--own-yaml", action="store_true", help="do not use PyYAML even if it is installed")
    options = parser.parse_args()
    feeds, rejected, duplicates, tellings, kept = {}, [], [], [], {}
    for feed in FEEDS:
        counts = feeds[feed] = {"documents": 0, "parsed": 0, "rejected": 0, "entries": 0}
        found = []
        for path in documents(options.folder, feed):
            counts["documents"] += 1
            try:
                read = entries(options.folder, feed, path, options.own_yaml)
            except Bad as bad:
                counts["rejected"] += 1
                rejected.append({"path": path, "code": str(bad)})
                continue
            counts["parsed"] += 1
            counts["entries"] += len(read)
            found.extend(read)
        for path, id, records in sorted(found, key=lambda entry: entry[0]):
            first = kept.setdefault((feed, id), path)
            if first == path:
                tellings.extend((feed, path, id, record) for record in records)
            else:
                duplicates.append({"feed": feed, "id": id, "kept": first, "rejected": path})
    advisories = sorted(merged(tellings), key=lambda found: found["id"])
    export = "".join(canonical(found) + "\n" for found in advisories).encode()
    if options.out:
        with open(options.out, "wb") as file:
            file.write(export)
    order = list(FEEDS)
    json.dump({
        "feeds": feeds,
        "rejected": sorted(rejected, key=lambda found: found["path"]),
        "duplicates": sorted(duplicates, key=lambda d: (order.index(d["feed"]), d["id"], d["kept"], d["rejected"])),
        "advisories": len(advisories),
        "bytes": len(export),
        "digest": hashlib.sha256(export).hexdigest(),
    }, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
