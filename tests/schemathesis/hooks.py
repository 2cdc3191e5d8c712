"""What the document cannot say, and waits that nobody wants to wait out."""

import re

import schemathesis

LONGEST_WAIT = 50


@schemathesis.hook
def before_call(context, case, kwargs):
    shorten_wait(case)
    if case.method.upper() == "POST" and isinstance(case.body, dict):
        make_writable(case.body)


def shorten_wait(case):
    """A generated wait is one of minutes, and without one /validated waits for ten seconds."""
    timeout = (case.query or {}).get("timeout")
    if case.path.endswith("/validated") and timeout is None:
        case.query = {**(case.query or {}), "timeout": LONGEST_WAIT}
    elif isinstance(timeout, int | str) and str(timeout).isdecimal() and LONGEST_WAIT < int(timeout) <= 300_000:
        case.query["timeout"] = LONGEST_WAIT


def make_writable(body):
    """JSON Schema takes 3.0 for an integer, and knows neither the decimals of a currency nor its minor unit: as it
    is generated, hardly an order would be taken."""
    lines = body.get("lines")
    for part in [body, *(lines if isinstance(lines, list) else [])]:
        if isinstance(part, dict):
            rewrite(part, "quantity", lambda quantity: int(quantity) if is_whole(quantity) else quantity)
            rewrite(part, "unitPrice", in_major_units)


def rewrite(part, name, rule):
    if name in part:
        part[name] = rule(part[name])


def in_major_units(price):
    if isinstance(price, str) and re.fullmatch(r"-?(0|[1-9]\d*)(\.\d{1,4})?", price, re.ASCII):
        return price.split(".")[0][:14]
    if isinstance(price, int | float) and not isinstance(price, bool):
        return int(price) if abs(price) < 10**14 else 10**14
    return price


def is_whole(number):
    return isinstance(number, float) and number.is_integer()
