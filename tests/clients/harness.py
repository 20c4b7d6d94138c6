"""What the checks of all Python clients share: values that are hard to carry, what their MD5 must
be, and running checks one after the other."""

import hashlib
import struct
import sys
import time
import traceback

BODIES = [
    "hello",
    "a\r\nb\rc\nd\te",
    " spaces around, a tab at the end\t",
    "&<>\"' &amp; &#13; ]]> <![CDATA[x]]>",
    "ü€😀 \u0085\u2028\ud7ff\ue000\ufffd\U0010ffff",
    '{"json": ["\\r\\n", "\\u0041"]}',
    "a=b&c=d+e%20f?g#h;i",
    "x" * 300_000,
]
ATTRIBUTES = {
    "color": {"DataType": "String", "StringValue": "blue\r\n&<>\"' ü€😀"},
    "color.code": {"DataType": "Number.int", "StringValue": "-1.50"},
    "blob": {"DataType": "Binary", "BinaryValue": bytes(range(256))},
    "Ümlaut": {"DataType": "String.label", "StringValue": "x"},
}
PATIENCE_S = 30


def md5(body):
    return hashlib.md5(body.encode()).hexdigest()


def attributes_md5(attributes):
    packed = b""
    for name, attribute in sorted(attributes.items()):
        binary = attribute["DataType"].startswith("Binary")
        value = attribute["BinaryValue"] if binary else attribute["StringValue"].encode()
        for text in (name.encode(), attribute["DataType"].encode()):
            packed += struct.pack(">I", len(text)) + text
        packed += (b"\2" if binary else b"\1") + struct.pack(">I", len(value)) + value
    return hashlib.md5(packed).hexdigest()


def equal(actual, expected):
    if actual != expected:
        raise AssertionError(f"{str(actual)[:600]!r} is not {str(expected)[:600]!r}")


def holds(condition, otherwise):
    """The condition must hold; `otherwise` says what was seen instead."""
    if not condition:
        raise AssertionError(str(otherwise)[:2000])


def wait_until(what, condition, patience_s=PATIENCE_S):
    """Returns what `condition` returns as soon as that is true; fails after `patience_s`."""
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {patience_s} s")
        time.sleep(0.05)


def run(checks):
    """Runs every check even when one fails; ends with status 1 if any did."""
    failures = 0
    for check in checks:
        start = time.monotonic()
        try:
            check()
            print("ok    ", check.__name__, f"({time.monotonic() - start:.1f} s)")
        except Exception:
            failures += 1
            print("FAILED", check.__name__)
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
    return failures
