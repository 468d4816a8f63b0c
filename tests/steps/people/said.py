"""Every way in which a contact is judged; `tests.gates.decide.test_said` keeps what is said."""

from __future__ import annotations

from collections.abc import Iterator

from gates.decide.judgement import Judgement
from settings.people import Contact
from steps.people import rules

PHONE = "+49 30 5550101"
PLACEHOLDERS = [
    "TBD",
    "N/A",
    "na",
    "none",
    "X",
    "XXX",
    "Name XX",
    "tbd (ops)",
    "TODO: a name",
    "??",
    "-",
]
PEOPLE = ("Robin Release", "Na Li", "Jamie Foxx", "Robin van Todo", "On-Call Rotation")
EMAILS = ("robin@example.org", "robin@mail.invalid", "robin", "robin@clinic.io", "")


def contacts() -> Iterator[Judgement]:
    yield rules.reachable("nobody", None)
    for name in (*PLACEHOLDERS, *PEOPLE):
        yield rules.reachable(f"name {name}", Contact(name=name, phone=PHONE))
    for phone in ("+1-XXX-XXX-XXXX", "+00 000 0000", "030 5550101"):
        yield rules.reachable(f"phone {phone}", Contact(name="Robin", phone=phone))
    for email in EMAILS:
        yield rules.reachable(f"email {email}", Contact(name="Robin", email=email))
