#!/usr/bin/env python3
"""Verifies an export of an Atoll log, from the public specifications alone.

It shares no code with Atoll and needs nothing beside Python 3.8: an auditor can
read it whole and run it on a machine where Atoll never was. What it checks, and
by which specification, stands in docs/log-format.md.

    python3 verify.py export.ndjson --root did:key:z6Mk... [--checkpoint kept.txt]...

An export may be a zip, too. Nothing of it is unpacked to the disk, and each file
in it beside the events must be one that the events commit to.

It may be a segment of a log, several of them, or a folder that segments lie in:

    python3 verify.py /media/archive --root did:key:z6Mk...

Exit codes: 0 intact, 8 not intact (the first bad line is named), 2 usage.
"""
import argparse
import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import sys
import zipfile
import zlib

# Ed25519, RFC 8032 section 5.1: the field, the curve, and verifying.

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def x_of(y, sign):
    """The x with this parity on the curve, or None (5.1.3)."""
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def plus(a, b):
    """The sum of two points in extended coordinates (5.1.4)."""
    left = (a[1] - a[0]) * (b[1] - b[0]) % P
    right = (a[1] + a[0]) * (b[1] + b[0]) % P
    cross = 2 * a[3] * b[3] * D % P
    twice = 2 * a[2] * b[2] % P
    e, f, g, h = right - left, twice - cross, twice + cross, right + left
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(n, point):
    out = (0, 1, 1, 0)
    while n:
        if n & 1:
            out = plus(out, point)
        point = plus(point, point)
        n >>= 1
    return out


def same(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def point(data):
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    x = x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (x_of(BASE_Y, 0), BASE_Y, 1, x_of(BASE_Y, 0) * BASE_Y % P)
ZERO = (0, 1, 1, 0)


def signed_by(key, text, signature):
    """Strict: no key or commitment of small order, no signature that could be written otherwise."""
    a, r = point(key), point(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= ORDER or len(signature) != 64:
        return False
    if same(times(8, a), ZERO) or same(times(8, r), ZERO):
        return False
    digest = hashlib.sha512(signature[:32] + key + text).digest()
    k = int.from_bytes(digest, "little") % ORDER
    return same(times(s, BASE), plus(r, times(k, a)))


# Names of keys: did:key (multicodec 0xed01, base58btc).

ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


class Bad(Exception):
    """What is wrong with a line."""


def key_of(name):
    if not name.startswith("did:key:z") or len(name) > 80:
        raise Bad("no did:key")
    number = 0
    for letter in name[len("did:key:z"):]:
        if letter not in ALPHABET:
            raise Bad("no base58")
        number = number * 58 + ALPHABET.index(letter)
    try:
        data = number.to_bytes(34, "big")
    except OverflowError:
        raise Bad("no Ed25519 key") from None
    if data[:2] != b"\xed\x01":
        raise Bad("no Ed25519 key")
    return data[2:]


# The Merkle tree, RFC 6962 section 2.1; a leaf's input is an event's raw hash.


def leaf(raw):
    return hashlib.sha256(b"\0" + raw).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


class Tree:
    """Grows at its right edge: the root of each perfect subtree, the largest first."""

    def __init__(self):
        self.size, self.edge = 0, []

    def push(self, raw):
        top, size = leaf(raw), self.size
        while size & 1:
            top = node(self.edge.pop(), top)
            size >>= 1
        self.edge.append(top)
        self.size += 1

    def root(self):
        if not self.edge:
            return hashlib.sha256(b"").digest()
        root = self.edge[-1]
        for left in reversed(self.edge[:-1]):
            root = node(left, root)
        return root


def root_by_path(raw, index, size, path):
    """The root that an audit path leads to, by the recursion of RFC 6962 2.1.1 read backwards."""
    if not 0 <= index < size:
        raise Bad("its proof names no leaf of the tree")
    top, at, last, path = leaf(raw), index, size - 1, list(path)
    while last:
        if at & 1 or at < last:
            if not path:
                raise Bad("its proof is too short")
            sibling = path.pop(0)
            top = node(sibling, top) if at & 1 else node(top, sibling)
        at, last = at >> 1, last >> 1
    if path:
        raise Bad("its proof is too long")
    return top


def old_and_new(old, new, old_root, path):
    """The two roots that a consistency proof leads to, by the recursion of RFC 6962 2.1.2 read backwards."""
    path = list(path)

    def walk(m, n, whole):
        if m == n:
            if whole:
                return old_root, old_root
            if not path:
                raise Bad("the proof of consistency is too short")
            top = path.pop(0)
            return top, top
        k = 1
        while k * 2 < n:
            k *= 2
        if m <= k:
            was, now = walk(m, k, whole)
        else:
            was, now = walk(m - k, n - k, False)
        if not path:
            raise Bad("the proof of consistency is too short")
        sibling = path.pop(0)
        if m <= k:
            return was, node(now, sibling)
        return node(sibling, was), node(sibling, now)

    roots = walk(old, new, True)
    if path:
        raise Bad("the proof of consistency is too long")
    return roots


# Checkpoints: C2SP tlog-checkpoint in a C2SP signed-note.


class Checkpoint:
    def __init__(self, note):
        at = note.rfind("\n\n")
        if at < 0 or not note.endswith("\n"):
            raise Bad("the checkpoint is no signed note")
        self.text, self.signatures = note[: at + 1], note[at + 2 :].splitlines()
        lines = self.text[:-1].split("\n")
        if len(lines) < 3 or not lines[1].isdigit() or str(int(lines[1])) != lines[1]:
            raise Bad("the checkpoint names no size")
        self.origin, self.size, self.root = lines[0], int(lines[1]), base64_of(lines[2])
        named = [line[len("next "):] for line in lines[3:] if line.startswith("next ")]
        if len(named) > 1 or "" in lines[3:]:
            raise Bad("the checkpoint's extension lines are wrong")
        self.next = named[0] if named else None

    def check(self, key_name):
        key = key_of(key_name)
        key_id = hashlib.sha256(self.origin.encode() + b"\n\1" + key).digest()[:4]
        for line in self.signatures:
            if not line.startswith("\u2014 "):
                raise Bad("a signature line is wrong")
            name, _, blob = line[2:].rpartition(" ")
            blob = base64_of(blob)
            if name == self.origin and blob[:4] == key_id:
                if signed_by(key, self.text.encode(), blob[4:]):
                    return
                raise Bad("the checkpoint's signature is wrong")
        raise Bad("the checkpoint is not signed by the key of its time")


def base64_of(text):
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Bad("no base64") from None


def notes_of(text):
    """The notes of a file that several were appended to; one whose writing was cut is left out."""
    parts = [part for part in text.split("\n\n") if part.strip("\n")]
    pairs = zip(parts, parts[1:])
    return [a.strip("\n") + "\n\n" + b.strip("\n") + "\n" for a, b in pairs if b.lstrip("\n").startswith("\u2014 ")]


# Events.


def object_of(line):
    """A JSON object without a key that occurs twice."""

    def pairs(members):
        out = dict(members)
        if len(out) != len(members):
            raise Bad("a key occurs twice")
        return out

    try:
        value = json.loads(line.decode("utf-8"), object_pairs_hook=pairs)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise Bad("it is no JSON") from None
    if not isinstance(value, dict):
        raise Bad("it is no object")
    return value


def utf16(key):
    return key.encode("utf-16-be", "surrogatepass")


def canonical(value):
    """RFC 8785, for what events may hold: no number but whole ones below 2^53."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda item: utf16(item[0]))
        return "{" + ",".join(canonical(k) + ":" + canonical(v) for k, v in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float) or (type(value) is int and abs(value) >= 2**53):
        raise Bad("it holds a number that an event can't hold")
    return json.dumps(value, ensure_ascii=False)


def raw_hash(text):
    if not isinstance(text, str) or not re.fullmatch("sha256:[0-9a-f]{64}", text):
        raise Bad("no hash")
    return bytes.fromhex(text[7:])


class Log:
    """What streamed by."""

    def __init__(self, root, kept, behind=None):
        self.root_key, self.kept, self.behind = root, kept, behind
        self.tree, self.head, self.current = Tree(), bytes(32), None
        self.name = self.part = self.waiting = self.body = self.seal = None
        self.events = self.contents = self.checkpoints = self.last = 0
        self.compared, self.consistent = 0, {}
        self.proven = None

    def line(self, line):
        value = object_of(line)
        if len(value) == 1 and next(iter(value)) in ("checkpoint", "consistency", "content", "proof", "segment"):
            kind, inner = next(iter(value.items()))
            if kind == "segment" and len(line) > HEADER_BYTES_MAX:
                raise Bad("it is longer than a segment's first line may be")
            getattr(self, kind)(inner)
        else:
            self.event(line, value)

    def event(self, line, value):
        if self.behind and not self.seal:
            raise Bad("only a segment can stand behind one")
        if self.seal and self.tree.size >= self.seal.size:
            raise Bad("an event behind the segment's last one")
        stated = raw_hash(value.pop("hash", None))
        rest = canonical(value).encode("utf-8")
        actual = hashlib.sha256(rest).digest()
        if actual != stated:
            raise Bad("it was edited: its bytes hash to another value")
        value["hash"] = "sha256:" + stated.hex()
        if canonical(value).encode("utf-8") != line:
            raise Bad("it is not in canonical form")
        seq = value["seq"]
        if self.name is None:
            self.name = value["node"]
            if self.root_key not in (None, self.name):
                raise Bad("it is the log of " + self.name)
        if value["node"] != self.name:
            raise Bad("it belongs to another node's log")
        if self.part is None:
            if seq != self.tree.size + 1:
                raise Bad("event %d stands where %d belongs" % (seq, self.tree.size + 1))
            if raw_hash(value["prev"]) != self.head:
                raise Bad("it does not follow from the event before it")
        elif self.waiting is not None or seq <= self.last:
            raise Bad("it stands out of order, or the event before it has no proof")
        found = self.keys(value)
        if self.part is None:
            if found and (found.size != self.tree.size or found.root != self.tree.root()):
                raise Bad("the checkpoint in it does not fit the events before it")
            self.tree.push(actual)
            self.compare(self.tree.size, self.tree.root())
        else:
            self.waiting = (seq, actual)
        self.checkpoints += found is not None
        if self.proven:
            self.proven.event(value)
        self.head, self.last, self.body = actual, seq, canonical(value["body"])
        self.events += 1

    def keys(self, value):
        """Whose signature counts: the root's opens the log, and each epoch's last checkpoint names the next."""
        body = value["body"]
        if value["type"] == "LogOpened":
            if value["seq"] != 1 or body["root"] != value["node"]:
                raise Bad("a log is opened by its first event, and its name is its root key")
            empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
            text = "%s\n0\n%s\nnext %s\n" % (value["node"], empty, body["epoch"])
            if not signed_by(key_of(body["root"]), text.encode(), base64_of(body["signature"])):
                raise Bad("the first epoch is not signed by the root key")
            self.current = body["epoch"]
        elif value["type"] == "Checkpoint":
            if self.current is None:
                raise Bad("a checkpoint before any key")
            found = Checkpoint(body["note"])
            found.check(self.current)
            told = (found.origin, found.size, base64.b64encode(found.root).decode(), found.next)
            if told != (value["node"], body["size"], body["root"], body.get("next")):
                raise Bad("the checkpoint's fields and its note differ")
            self.current = found.next or self.current
            return found
        return None

    def compare(self, size, root):
        for kept in self.kept:
            if kept.size == size:
                if kept.origin != self.name or kept.root != root:
                    raise Bad("the log was rewritten: a kept checkpoint over %d events differs" % size)
                self.compared += 1

    def segment(self, inner):
        """All that was before its events: the tree's edge, the last hash, and the notes that name keys."""
        if self.part or self.seal or self.events:
            raise Bad("a segment stands at the beginning")
        kinds = {"edge": list, "first": int, "keys": list, "note": str, "prev": str}
        if {name: type(value) for name, value in inner.items()} != kinds:
            raise Bad("a segment's first line holds something else")
        self.seal = Checkpoint(inner["note"])
        self.name, before = self.seal.origin, inner["first"] - 1
        if self.root_key not in (None, self.name):
            raise Bad("it is the log of " + self.name)
        self.tree.size, self.tree.edge = before, [raw_hash(h) for h in inner["edge"]]
        if not 0 <= before < self.seal.size or len(self.tree.edge) != bin(before).count("1"):
            raise Bad("its first number does not fit")
        self.head, self.current = raw_hash(inner["prev"]), None
        self.handed_on(inner["keys"], before)
        if before == 0 and self.head != bytes(32):
            raise Bad("nothing is before event 1")
        state = self.state()
        if self.behind and state != self.behind:
            told = (self.behind[1] + 1, before)
            missing = state[0] == self.behind[0] and told[0] <= told[1]
            raise Bad("events %d to %d are missing before it" % told if missing
                      else "it does not go on where the segment before it ends")
        if any(kept.origin != self.name for kept in self.kept):
            raise Bad("the kept checkpoint is of another node's log")
        if before and not self.behind:
            self.compare(before, self.tree.root())

    def handed_on(self, notes, before):
        """The root key signed the first note, and each names the key of the next."""
        key, least = self.name, 0
        if (before == 0) != (not notes):
            raise Bad("the keys of its time are left out, or there are none yet")
        for at, note in enumerate(notes):
            found = Checkpoint(note)
            found.check(key)
            opens = (found.size, found.root) == (0, hashlib.sha256(b"").digest())
            if found.origin != self.name or opens != (at == 0) or not least <= found.size < before:
                raise Bad("a key is named out of its place")
            if found.next is None:
                raise Bad("it names no key")
            key, least = found.next, found.size + 1
            self.current = key

    def state(self):
        return self.name, self.tree.size, self.tree.edge[:], self.head, self.current

    def checkpoint(self, inner):
        if self.behind:
            raise Bad("only a segment can stand behind one")
        if self.part or self.seal or self.events:
            raise Bad("a checkpoint stands at the beginning")
        self.part, self.note = Checkpoint(inner["note"]), inner["note"]
        if self.root_key not in (None, self.part.origin):
            raise Bad("it is the log of " + self.part.origin)

    def consistency(self, inner):
        if self.part is None or not 0 < inner["old"] <= self.part.size:
            raise Bad("a proof of consistency without its checkpoint")
        self.consistent[inner["old"]] = [raw_hash(h) for h in inner["path"]]

    def proof(self, inner):
        if self.part is None or self.waiting is None or inner["seq"] != self.waiting[0]:
            raise Bad("a proof without its event")
        path = [raw_hash(h) for h in inner["path"]]
        top = root_by_path(self.waiting[1], inner["seq"] - 1, self.part.size, path)
        if top != self.part.root:
            raise Bad("its proof of inclusion does not hold")
        self.waiting = None

    def content(self, inner):
        if self.seal:
            raise Bad("a segment holds events alone")
        data = base64_of(inner["base64"])
        h = "sha256:" + hashlib.sha256(bytes.fromhex(inner["salt"]) + data).hexdigest()
        named = self.body is not None and json.dumps(h) in self.body
        if h != inner["h"] or len(data) != inner["bytes"] or not named:
            raise Bad("content does not match its commitment")
        self.contents += 1
        if self.proven:
            self.proven.content(h, data)

    def sealed(self):
        if self.tree.size < self.seal.size:
            raise Bad("the segment was cut: it ends with event %d" % self.seal.size)
        if self.current is None:
            raise Bad("the event that names the keys is left out")
        self.seal.check(self.current)
        if self.seal.root != self.tree.root():
            raise Bad("the checkpoint that seals it does not fit its events")
        self.checkpoints += 1
        return "a segment of a log, from event %d to %d" % (self.last - self.events + 1, self.last)

    def end(self):
        if self.seal:
            return self.sealed()
        if self.part is None:
            if not self.events:
                raise Bad("it is empty")
            beyond = [kept.size for kept in self.kept if kept.size > self.tree.size]
            if beyond:
                raise Bad("the log was truncated: a kept checkpoint covers %d events" % min(beyond))
            return "a whole log"
        if self.waiting is not None:
            raise Bad("an event without its proof")
        if self.current is None:
            raise Bad("the event that names the keys is left out")
        self.part.check(self.current)
        if self.part.origin != self.name:
            raise Bad("the checkpoint is of another node's log")
        self.compare(self.part.size, self.part.root)
        for kept in self.kept:
            self.extends(kept)
        return "a part of a log, each event proven to be in it"

    def extends(self, kept):
        if kept.origin != self.name:
            raise Bad("the kept checkpoint is of another node's log")
        path = self.consistent.get(kept.size)
        if kept.size >= self.part.size or path is None:
            return
        was, now = old_and_new(kept.size, self.part.size, kept.root, path)
        if (was, now) != (kept.root, self.part.root):
            raise Bad("the log was rewritten: it does not extend a kept checkpoint")
        self.compared += 1


# Exports in a zip.

EVENTS, NOTE = "events.ndjson", "checkpoint.note"
PAPERS = ("README.txt", "index.html", "verify.py")
FILES_MAX, UNPACKED_BYTES_MAX, LINE_BYTES_MAX, HEADER_BYTES_MAX = 20000, 4 << 30, 96 << 20, 4 << 20


class BadZip(Exception):
    """What is wrong with the zip itself."""


class Proven:
    """The contents that files beside the events may be."""

    def __init__(self):
        self.patches, self.artifacts, self.lengths, self.open = [], set(), set(), None

    def event(self, value):
        fields = {"PatchProposed": "diff", "ArtifactSaved": "content"}
        field = fields.get(value["type"])
        self.open = field and (field, value["body"][field]["h"])

    def content(self, h, data):
        if not self.open or self.open[1] != h:
            return
        self.lengths.add(len(data))
        digest = hashlib.sha256(data).digest()
        if self.open[0] == "diff":
            self.patches.append(digest)
        else:
            self.artifacts.add(digest)


def is_safe(name):
    parts = name.split("/")
    control = any(ord(c) < 32 or 127 <= ord(c) < 160 for c in name)
    return not control and "\\" not in name and ":" not in name and not {"", ".", ".."} & set(parts)


def members(archive):
    """Its files, if it holds nothing that an export doesn't."""
    found = archive.infolist()
    if len(found) > FILES_MAX:
        raise BadZip("it holds %d files, and an export at most %d" % (len(found), FILES_MAX))
    if len({info.orig_filename for info in found}) != len(found):
        raise BadZip("two files have one name")
    end = 0
    for info in sorted(found, key=lambda info: info.header_offset):
        if info.header_offset < end:
            raise BadZip("its files overlap")
        end = info.header_offset + 30 + info.compress_size
        if not is_safe(info.orig_filename):
            raise BadZip("a file's name leads elsewhere: %s" % ascii(info.orig_filename))
        special = info.external_attr >> 28 not in (0, 8)
        if info.flag_bits & 1 or info.compress_type not in (0, 8) or special or info.is_dir():
            raise BadZip(info.filename + " is no plain file")
    unpacked = sum(info.file_size for info in found)
    if unpacked > UNPACKED_BYTES_MAX:
        raise BadZip("unpacked it has %d bytes, and an export at most %d" % (unpacked, UNPACKED_BYTES_MAX))
    if EVENTS not in {info.filename for info in found}:
        raise BadZip("it has no " + EVENTS)
    return found


def events_of(archive, name):
    with archive.open(name) as file:
        unpacked = 0
        while True:
            line = file.readline(LINE_BYTES_MAX + 2)
            if not line:
                break
            unpacked += len(line)
            yield line
    if unpacked != archive.getinfo(name).file_size:
        raise BadZip(name + " is not as long as it says")


def digest_of(archive, name):
    digest = hashlib.sha256()
    with archive.open(name) as file:
        for chunk in iter(lambda: file.read(1 << 16), b""):
            digest.update(chunk)
    return digest.digest()


def beside(archive, found, log):
    """Each file beside the events is known, and a content that the events commit to, or only to read."""
    patches = []
    for info in found:
        name, number = info.filename, info.filename[len("patches/p"):-len(".diff")]
        patch = name == "patches/p%s.diff" % number and number.isascii() and number.isdigit()
        not_proven = BadZip(name + " is no content that the events commit to")
        if name == EVENTS or name in PAPERS or name.startswith("redacted/"):
            continue
        if name == NOTE:
            note = archive.read(name) if info.file_size < 1 << 16 else b""
            if log.part is None or note != log.note.encode():
                raise BadZip(NOTE + " is not the checkpoint that the events are proven by")
        elif patch or name.startswith("artifacts/"):
            if info.file_size not in log.proven.lengths:
                raise not_proven
            if patch:
                patches.append((int(number), name))
            elif digest_of(archive, name) not in log.proven.artifacts:
                raise not_proven
        else:
            raise BadZip(name + " is no file of an export")
    rest = list(log.proven.patches)
    for _, name in sorted(patches):
        digest = digest_of(archive, name)
        if digest not in rest:
            raise BadZip(name + " is no content that the events commit to")
        del rest[:rest.index(digest) + 1]


def zipped(path):
    with open(path, "rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")


# Segments, alone or in a row.

SEGMENT = re.compile(r"segment-[0-9]+-[0-9]+\.ndjson(\.gz)?\Z")


def unzipped(file):
    """The bytes of one gzip member (RFC 1952), behind which is nothing."""
    inflate, unpacked = zlib.decompressobj(31), 0
    while not inflate.eof:
        packed = inflate.unconsumed_tail or file.read(1 << 16)
        data = inflate.decompress(packed, 1 << 16)
        unpacked += len(data)
        if unpacked > UNPACKED_BYTES_MAX:
            raise Bad("unpacked it is longer than a segment may be")
        if not packed and not data:
            raise Bad("it was cut: the compressed data has no end")
        yield data
    if inflate.unused_data or file.read(1):
        raise Bad("something stands behind the compressed data")


def lines_of(path):
    """A file's lines, each with its new line; none is read beyond what may be long."""
    with open(path, "rb") as file:
        if file.read(2) != b"\x1f\x8b":
            file.seek(0)
            yield from iter(lambda: file.readline(LINE_BYTES_MAX + 2), b"")
            return
        file.seek(0)
        rest = b""
        try:
            for data in unzipped(file):
                *lines, rest = (rest + data).split(b"\n")
                yield from (line + b"\n" for line in lines)
                if len(rest) > HEADER_BYTES_MAX:
                    raise Bad("a line is too long")
        except zlib.error as err:
            raise Bad("it can't be unpacked (%s)" % (err,)) from None
        if rest:
            yield rest


class BadLine(Exception):
    """Which line, of which file, and what is wrong with it."""


# What a line that isn't what it should be may lead to.
WRONG = (Bad, KeyError, TypeError, AttributeError, ValueError, RecursionError)


def words_of(err):
    return str(err) if isinstance(err, Bad) else "it is no event (%r)" % (err,)


def fed(log, lines, where=""):
    """What the log is, when all lines have streamed by."""
    number = 0
    try:
        while True:
            number += 1
            line = next(lines, None)
            if line is None:
                return log.end()
            log.line(line.rstrip(b"\n"))
    except WRONG as err:
        raise BadLine("%d%s: %s" % (number, where, words_of(err))) from None


def named(path):
    return " of " + ascii(os.path.basename(path))[1:-1]


def first_of(path):
    """The number that a segment begins with, by its first line."""
    try:
        with contextlib.closing(lines_of(path)) as lines:
            line = next(lines, b"").rstrip(b"\n")
        first = len(line) <= HEADER_BYTES_MAX and object_of(line)["segment"]["first"]
        if type(first) is not int:
            raise Bad("it is no segment")
        return first
    except WRONG as err:
        raise BadLine("1%s: %s" % (named(path), words_of(err))) from None


def row(paths, root, kept):
    """Segments in the order of their events, each held against the end of the one before."""
    log, total, first = None, {"events": 0, "checkpoints": 0, "compared": 0}, None
    for start, path in sorted((first_of(path), path) for path in paths):
        first = first or start
        log = Log(root, kept, log and log.state())
        with contextlib.closing(lines_of(path)) as lines:
            fed(log, lines, named(path))
        for what in total:
            total[what] += getattr(log, what)
    log.__dict__.update(total)
    count = "%d segments" % len(paths) if len(paths) > 1 else "a segment"
    return log, "%s of a log, from event %d to %d" % (count, first, log.tree.size)


def single(path, root, kept):
    """One export, or one segment."""
    log, archive, found = Log(root, kept), None, []
    if zipped(path):
        archive, log.proven = zipfile.ZipFile(path), Proven()
        found = members(archive)
    with contextlib.closing(events_of(archive, EVENTS) if archive else lines_of(path)) as lines:
        what = fed(log, lines)
    if archive:
        beside(archive, found, log)
    return log, what


def main():
    args = argparse.ArgumentParser(description="Verifies an export of an Atoll log, or segments of one.")
    args.add_argument("file", nargs="+", help="an export, segments, or a folder of segments")
    args.add_argument("--root", metavar="KEY", help="the node's did:key, as you were told it")
    args.add_argument("--checkpoint", metavar="FILE", action="append", default=[], help="one that you kept")
    args = args.parse_args()
    try:
        kept = []
        for path in args.checkpoint:
            with open(path, encoding="utf-8", newline="") as file:
                found = notes_of(file.read())
            if not found:
                raise OSError("%s: it holds no checkpoint" % path)
            kept.extend(map(Checkpoint, found))
        paths = []
        for path in args.file:
            inside = [os.path.join(path, name) for name in os.listdir(path) if SEGMENT.match(name)] \
                if os.path.isdir(path) else [path]
            if not inside:
                raise OSError("%s: no segment lies in it" % path)
            paths.extend(inside)
        if len(paths) > 1 or paths != args.file:
            log, what = row(paths, args.root, kept)
        else:
            log, what = single(paths[0], args.root, kept)
    except BadLine as err:
        print("NOT intact: first at line %s." % err)
        return 8
    except (BadZip, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OverflowError) as err:
        words = str(err) if isinstance(err, BadZip) else "it is no zip that can be read (%s)" % (err,)
        print("NOT intact: %s." % ascii(words)[1:-1])
        return 8
    except WRONG as err:
        print("NOT intact: first at line 0: %s." % words_of(err))
        return 8
    except OSError as err:
        print(err, file=sys.stderr)
        return 2
    print("Intact: %s, %d events." % (what, log.events))
    print("root %s, %d checkpoints hold, %d of %d kept ones compared, %d contents hold"
          % (log.name, log.checkpoints, log.compared, len(kept), log.contents))
    return 0


if __name__ == "__main__":
    sys.exit(main())
