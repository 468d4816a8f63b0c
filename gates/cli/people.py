"""`gate attest`, `approve`, `waive`, `decide`, `declare`: what people sign, and what comes of it."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime as dt
import functools
import pathlib
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import IO, Any

import probes
from environments import loader
from environments.loader import Loaded
from environments.provider import ProviderError, environment
from environments.store import StoreError, store_of
from environments.yaml_file import ConfigurationError, RequestError
from gates.cli import asking, rollback
from gates.cli.streams import teller
from gates.decide import statements as rules
from gates.decide.catalogue import APPROVALS
from gates.decide.declared import declared
from gates.decide.history import ONE_DEPLOYMENT
from gates.decide.outcome import (
    EXIT_CONFIGURATION,
    EXIT_OUR_FAILURE,
    EXIT_USAGE,
    Decision,
    worst_outcome,
)
from gates.decide.release import Release
from gates.decide.scope import Phase
from gates.decide.statements import Kind, Link, Signer, Statement
from gates.decide.times import COUNTDOWN
from gates.decide.verdict import Verdict
from gates.load import OUT, Checks, load_catalogue, load_policy
from gates.run import override, runs
from gates.run.bundle import sha256_of
from probes.signatures import PublicKey
from reports.texts import drawn
from reports.words import GATE, one_line
from settings.environment import LocalFile
from settings.policy import Policy
from settings.sections import parse_duration
from settings.statements import StatementRule
from steps.kit.chain import History
from steps.kit.request import release_of
from steps.kit.statements import Asking, keys_of, receive
from steps.kit.statements import asking as read_statements

_SSH = pathlib.Path("~/.ssh").expanduser()
_AGENT_SECONDS = 5.0
_STANDS = dt.timedelta(days=366)
"""A word stands until it is withdrawn, as long as anybody asks for this release."""


@dataclasses.dataclass(frozen=True, slots=True)
class Signing:
    """Who signs, of what release, with which key."""

    asking: Asking
    policy: Policy
    loaded: Loaded
    signer: Signer
    fingerprint: str
    key: pathlib.Path

    def statement(
        self, kind: Kind, items: Mapping[str, str], until: dt.datetime, **more: Any
    ) -> Statement:
        """Return what is signed."""
        signer = self.signer
        return Statement(
            kind=kind,
            subject=self.asking.books.subject,
            person=signer.person,
            name=signer.name,
            role=signer.role,
            items=items,
            signed_at=self.asking.around.now,
            expires_at=until,
            supersedes=tuple(
                one.digest
                for one in self.asking.ledger.signed
                if (one.statement.person, one.statement.kind) == (signer.person, kind)
                and items.keys() & one.statement.items.keys()
            ),
            **more,
        )

    def sign(self, statement: Statement) -> Asking:
        """Sign, have the gate receive it, and return the statements anew; raises NotSignedError."""
        envelope = probes.signatures.signed_by_user(
            rules.PAYLOAD_TYPE, statement.payload(), self.key, rules.NAMESPACE
        )
        books = self.asking.books
        receive(books.chain, envelope.record(), books.text)
        subject = books.subject
        return read_statements(self.loaded, self.policy, Release.parse(subject.release))


def run(arguments: argparse.Namespace, stdout: IO[str], stderr: IO[str]) -> int:
    """Sign, and say what came of it: 0 it counts, 20 not yet; 64, 78 and 70 as everywhere.

    `gate decide` returns 20 whatever is decided: nothing here turns a HOLD into a GO.
    """
    tell = teller(stderr, f"gate {arguments.command}")
    declare = functools.partial(_declare, stderr=stderr)
    command: Mapping[str, Callable[..., int]] = {
        "attest": _attest,
        "approve": _attest,
        "waive": _waive,
        "decide": _decide,
        "declare": declare,
    }
    try:
        return command[arguments.command](arguments, stdout, tell)
    except (RequestError, runs.UnknownRunError) as exc:
        tell(str(exc))
        return EXIT_USAGE
    except ConfigurationError as exc:
        tell(str(exc))
        return EXIT_CONFIGURATION
    except (
        StoreError,
        ProviderError,
        runs.UnreadableRunError,
        probes.signatures.NotSignedError,
    ) as exc:
        tell(str(exc))
        return EXIT_OUR_FAILURE


def _attest(arguments: argparse.Namespace, stdout: IO[str], tell: Callable[[str], None]) -> int:
    with _signing(arguments, arguments.env, arguments.release, tell) as signing:
        items = _items(arguments, signing)
        if not items:
            stdout.write("Nothing is left to sign for you.\n")
            return 0
        longest = max(rule.max_age for rule in items.values())
        statement = signing.statement(
            Kind.ATTEST,
            {item: rule.meaning for item, rule in items.items()},
            signing.asking.around.now + dt.timedelta(seconds=longest),
            evidence=tuple(map(_link, arguments.evidence)),
        )
        _refuse_unpinned(items, statement)
        _confirm(signing, statement, arguments, stdout)
        found = signing.sign(statement)
        good = True
        for item in items:
            count = found.count(item)
            good = good and count.good
            stdout.write(f"{item}: {_state(count, items[item])}\n")
        return 0 if good else Decision.HOLD.exit_code


def _items(arguments: argparse.Namespace, signing: Signing) -> dict[str, StatementRule]:
    """Return what is signed; raises RequestError for what this role has nothing to say of."""
    by_policy, role = signing.asking.items, signing.signer.role
    mine = {item: rule for item, rule in by_policy.items() if role in rule.roles}
    if arguments.command == "approve":
        approvals = {item: rule for item, rule in mine.items() if item in APPROVALS}
        if not approvals:
            raise RequestError(f"--as {role}: this role gives no approval.")
        return approvals
    if arguments.all:
        due = _due(signing.loaded, arguments.at)
        return {
            item: rule
            for item, rule in mine.items()
            if item in due and not signing.asking.count(item).good
        }
    if not arguments.id:
        raise RequestError("name the items to sign, or write --all.")
    for item in arguments.id:
        if item not in by_policy:
            raise RequestError(
                f"{item}: nobody signs it; {GATE} checks pre-deploy lists the items."
            )
        if item not in mine:
            wanted = " or ".join(by_policy[item].roles)
            raise RequestError(f"{item}: {wanted} has to sign it, and you sign as {role}.")
    return {item: mine[item] for item in arguments.id}


def _due(loaded: Loaded, at: str) -> set[str]:
    """Return the items that this environment is asked by a time of the countdown."""
    times = COUNTDOWN[: COUNTDOWN.index(at) + 1]
    rows = load_catalogue(Checks.of(loaded.checks).features)
    due = (row for row in rows if row.phase == "pre-deploy" and row.due in times)
    return {row.id for row in due if row.applies(loaded.sections)}


def _link(file: pathlib.Path) -> Link:
    try:
        return Link(file.name, sha256_of(file))
    except OSError as exc:
        raise RequestError(f"--evidence {file}: cannot be read: {exc.strerror}.") from exc


def _refuse_unpinned(items: Mapping[str, StatementRule], statement: Statement) -> None:
    given = {link.sha256 for link in statement.evidence}
    for item, rule in items.items():
        if rule.file is not None and rule.file not in given:
            raise RequestError(
                f"{item}: is signed together with the file of SHA-256 {rule.file}; give it with --evidence."
            )


def _state(count: rules.Count, rule: StatementRule) -> str:
    if not count.needed:
        return "no signature is needed"
    said = f"{len(count.signed)} of {rule.people} signed"
    return said if count.good else f"{said}; not counted: {'; '.join(count.absent) or 'nothing'}"


def _waive(arguments: argparse.Namespace, stdout: IO[str], tell: Callable[[str], None]) -> int:
    with _signing(arguments, arguments.env, arguments.release, tell) as signing:
        policy = signing.policy.statements.waivers
        if policy is None:
            raise RequestError(
                "the policy has no section statements.waivers: nothing can be waived."
            )
        statement = _waiver(arguments, signing)
        (item, found) = next(iter(statement.items.items()))
        why = rules.never_waived(item, found, policy)
        if why:
            raise RequestError(f"{item} {why}.")
        if signing.signer.role not in policy.roles:
            raise RequestError(
                f"--as {signing.signer.role}: {' or '.join(policy.roles)} may waive."
            )
        if statement.expires_at - statement.signed_at > dt.timedelta(seconds=policy.longest):
            raise RequestError(f"--until: at the most {policy.longest / 86400:g} d from now.")
        _confirm(signing, statement, arguments, stdout)
        again = signing.sign(statement)
        agreed = {one.check: one for one in rules.waivers(again.ledger, policy, again.around)}
        if item in agreed:
            stdout.write(f"{item} is {agreed[item]}.\n")
            return 0
        stdout.write(
            f"{item}: received; {policy.people} people have to agree, with the same words.\n"
        )
        return Decision.HOLD.exit_code


def _waiver(arguments: argparse.Namespace, signing: Signing) -> Statement:
    """Return the waiver of the command line, or the open one that somebody else began."""
    item, now = arguments.id, signing.asking.around.now
    given = (arguments.reason, arguments.ticket, arguments.until)
    if not any(given):
        for one in reversed(signing.asking.ledger.signed):
            said = one.statement
            theirs = said.kind is Kind.WAIVE and item in said.items
            if theirs and said.person != signing.signer.person:
                terms = {"reason": said.reason, "ticket": said.ticket}
                return signing.statement(
                    Kind.WAIVE, {item: said.items[item]}, said.expires_at, **terms
                )
        raise RequestError(f"{item}: nobody began a waiver; give --reason, --ticket and --until.")
    if not all(given):
        raise RequestError("a waiver has --reason, --ticket and --until, all of them.")
    found = _found(item, signing, arguments.out or OUT)
    terms = {"reason": arguments.reason, "ticket": arguments.ticket}
    return signing.statement(Kind.WAIVE, {item: found}, _until(arguments.until, now), **terms)


def _found(item: str, signing: Signing, out: pathlib.Path) -> str:
    """Return what the newest run found of an item: nothing is waived that nobody has seen."""
    subject = signing.asking.books.subject
    for candidate in runs.newest_first(out):
        verdict = candidate.verdict()
        same = (verdict.environment, verdict.release) == (subject.environment, subject.release)
        check = verdict.check(item) if same and verdict.complete else None
        if check is None:
            continue
        stops = (Decision.STOP, Decision.ROLLBACK)
        if any(one.check == item and one.decision in stops for one in verdict.reasons):
            raise RequestError(
                f"{item} means {' or '.join(stops)} in run {verdict.run}: not waived."
            )
        outcomes = [result.outcome for result in check.regions.values()]
        if None in outcomes:
            raise RequestError(
                f"{item} did not run in {verdict.run}; what did not run is not waived."
            )
        return worst_outcome(one for one in outcomes if one is not None).value
    raise RequestError(f"{item}: no run of this release asked it; run the gate first.")


def _until(text: str, now: dt.datetime) -> dt.datetime:
    with contextlib.suppress(ValueError):
        return now + dt.timedelta(seconds=parse_duration(text))
    at: dt.datetime | None = None
    with contextlib.suppress(ValueError):
        at = dt.datetime.fromisoformat(text)
    if at is None or at.tzinfo is None or at <= now:
        raise RequestError(
            "--until: write how long, such as 2d, or when, such as 2026-12-06T06:00Z."
        )
    return at


def _decide(arguments: argparse.Namespace, stdout: IO[str], tell: Callable[[str], None]) -> int:
    out = arguments.out or OUT
    held = runs.find(arguments.run, out)
    verdict = held.verdict()
    if not verdict.complete or verdict.decision is not Decision.HOLD:
        raise RequestError(f"run {verdict.run} is not on HOLD; people decide about nothing else.")
    if verdict.overridden is not None:
        raise RequestError(f"run {verdict.run} is decided already; name {verdict.overridden.run}.")
    with _signing(arguments, verdict.env, verdict.release, tell) as signing:
        policy = signing.policy.statements.decide
        if policy is None:
            raise RequestError("the policy has no section statements.decide: nobody may decide.")
        if signing.signer.role not in policy.roles:
            raise RequestError(
                f"--as {signing.signer.role}: {' or '.join(policy.roles)} may decide."
            )
        digest = sha256_of(held.path / runs.VERDICT)
        _refuse_unknown(verdict, digest, signing)
        statement = signing.statement(
            Kind(arguments.what),
            {},
            signing.asking.around.now + ONE_DEPLOYMENT,
            reason=arguments.reason,
            run=verdict.run,
            run_digest=digest,
        )
        _confirm(signing, statement, arguments, stdout)
        again = signing.sign(statement)
        decided = rules.decisions(again.ledger, policy, again.around).get(digest)
        if decided is None or decided.decision is not statement.kind:
            stdout.write(f"received; {_not_decided(again, statement, policy.people)}\n")
            return Decision.HOLD.exit_code
        shown, untold = override.overridden(held, decided, signing.loaded, out)
    if untold is not None:
        tell(untold)
    return asking.show(shown, arguments.output, stdout)


def _refuse_unknown(verdict: Verdict, digest: str, signing: Signing) -> None:
    """Raise RequestError for a phase's verdict on which no phase builds: then nothing would be decided."""
    subject = signing.asking.books.subject
    history = History(store_of(signing.loaded), subject.environment, subject.release)
    if verdict.gate != Phase.name or digest in (one.verdict for one in history.entries()):
        return
    if verdict.joined:
        each = " and ".join(one.run for one in verdict.joined)
        raise RequestError(
            f"run {verdict.run} was joined, and phases build on {each}: decide there."
        )
    raise RequestError(
        f"run {verdict.run}: its verdict is none that the history of {verdict.release} names; no phase "
        "would build on what is decided of it. Run the phase again."
    )


def _not_decided(found: Asking, statement: Statement, people: int) -> str:
    why = "; ".join(found.ledger.about(statement.run))
    mine = [one for one in found.ledger.signed if one.statement.run == statement.run]
    own = next(filter(None, (rules.self_signed(one, found.around) for one in mine)), "")
    return why or own or f"{people} people have to decide the same, with the same reason"


def _declare(
    arguments: argparse.Namespace, stdout: IO[str], tell: Callable[[str], None], stderr: IO[str]
) -> int:
    """Have a trigger fire, and print the way back; or take that back, which is no GO either."""
    trigger, back = arguments.trigger, arguments.withdraw
    with _signing(arguments, arguments.env, arguments.release, tell) as signing:
        policy = signing.policy.statements.declare
        if policy is None:
            raise RequestError("the policy has no section statements.declare: nobody may declare.")
        known = [one.check for one in signing.policy.triggers.watched]
        if trigger not in known:
            raise RequestError(f"{trigger}: is not a trigger; there is: {', '.join(known)}.")
        may = policy.withdrawn_by if back else policy.roles
        if signing.signer.role not in may:
            raise RequestError(f"--as {signing.signer.role}: {' or '.join(may)} may do this.")
        stands = declared(signing.asking.ledger, policy).get(trigger)
        if back and stands is None:
            raise RequestError(f"{trigger}: nobody declared it, so nothing is withdrawn.")
        statement = signing.statement(
            Kind.WITHDRAW if back else Kind.DECLARE,
            {trigger: stands.digest if back and stands is not None else "fires"},
            signing.asking.around.now + _STANDS,
            reason=arguments.reason,
        )
        _confirm(signing, statement, arguments, stdout)
        stands = declared(signing.sign(statement).ledger, policy).get(trigger)
    if back:
        more = (
            f"{stands}; {policy.withdrawals} people have to withdraw it"
            if stands
            else "it is withdrawn"
        )
        stdout.write(f"{trigger}: received; {more}. Ask the gate again.\n")
        return Decision.HOLD.exit_code
    if stands is None:
        raise RequestError(f"{trigger}: was received and does not count; gate verify says why.")
    tell(f"{stands}. A watch of this release ends with it; the way back:")
    rollback.run(arguments, stdout, stderr)
    return Decision.ROLLBACK.exit_code


@contextlib.contextmanager
def _signing(
    arguments: argparse.Namespace, env: str, release: str | None, tell: Callable[[str], None]
) -> Iterator[Signing]:
    """Yield who signs; raises RequestError where no key of theirs is at hand, or the role is another's."""
    with _opened(env, tell) as loaded:
        policy = load_policy(Checks.of(loaded.checks).policy)
        found = read_statements(loaded, policy, release_of(release, env, loaded))
        known = {public.blob: name for name, _, public in keys_of(found.books.approvers)}
        with tempfile.TemporaryDirectory() as folder:
            key, public = _key(arguments.key, known, pathlib.Path(folder))
            who = known[public.blob]
            person = found.books.approvers.people[who]
            if arguments.role not in person.roles:
                known_as = ", ".join(person.roles)
                raise RequestError(
                    f"--as {arguments.role}: the approvers file has {person.name} as {known_as}."
                )
            signer = Signer(who, person.name, arguments.role)
            yield Signing(found, policy, loaded, signer, public.fingerprint, key)


@contextlib.contextmanager
def _opened(env: str, tell: Callable[[str], None]) -> Iterator[Loaded]:
    """Yield an environment without its secrets: who signs has none of them."""
    described = loader.find(env)
    if isinstance(described, LocalFile):
        with environment(env, None, tell) as loaded:
            yield loaded
    else:
        yield Loaded(described, loader.path_of(env), {}, loader.checks_of(env))


def _key(
    given: pathlib.Path | None, known: Mapping[bytes, str], folder: pathlib.Path
) -> tuple[pathlib.Path, PublicKey]:
    """Return the key to sign with: the given one, else the first of the user's that an approver has."""
    files = sorted(_SSH.glob("*.pub")) if given is None else [given]
    for file in files:
        public = _public(file)
        if public is not None and public.blob in known:
            return (file.with_suffix("") if file.suffix == ".pub" else file), public
    for number, line in enumerate(_of_agent() if given is None else ()):
        with contextlib.suppress(probes.signatures.MalformedError):
            public = PublicKey.parse(line)
            if public.blob in known:
                file = folder / f"{number}.pub"
                file.write_text(line + "\n", encoding="utf-8")
                return file, public
    where = f"--key {given}" if given is not None else "no key in ~/.ssh and none of the agent"
    raise RequestError(
        f"{where}: is not a key of an approver; the approvers file has their public keys."
    )


def _public(file: pathlib.Path) -> PublicKey | None:
    beside = file if file.suffix == ".pub" else file.with_name(f"{file.name}.pub")
    try:
        return PublicKey.parse(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _of_agent() -> Sequence[str]:
    """Return the public keys that an SSH agent offers; none without one."""
    try:
        done = subprocess.run(
            ["ssh-add", "-L"],  # noqa: S607 - whichever agent the user has
            capture_output=True,
            text=True,
            timeout=_AGENT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return done.stdout.splitlines() if done.returncode == 0 else ()


def _line(value: object) -> str:
    return one_line(str(value))


def _confirm(
    signing: Signing, statement: Statement, arguments: argparse.Namespace, stdout: IO[str]
) -> None:
    """Show what is signed, on one screen, and ask; raises RequestError unless the answer is yes."""
    stdout.write(drawn("signing.txt.j2", _line, statement=statement, key=signing.fingerprint))
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise RequestError("nobody can be asked here; write --yes to sign what is shown.")
    stdout.write("Sign? [y/N] ")
    stdout.flush()
    if not re.fullmatch(r"y(es)?", sys.stdin.readline().strip(), re.IGNORECASE):
        raise RequestError("not signed.")
