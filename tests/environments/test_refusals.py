"""Every mistake in an environment file has its one exact sentence: file, key, value, remedy."""

from __future__ import annotations

import pathlib

import pytest

from tests.environments.files import VALID, changed, changes, loaded, refusal
from tests.tables import cases

pytestmark = pytest.mark.usefixtures("secrets")

_NOT_YAML = (
    "clinic.yaml: is not valid YAML: it holds a date that does not exist, an alias to itself or "
    "brackets without end."
)

# What it is | what stands in the file | what stands there instead, and below it what is said of it.
MISTAKES = r"""
a key misspelt at the top | owner: | onwer:
    owner: is missing; add it.
    onwer: unknown key; remove it or fix its spelling.
a key misspelt deep inside | support_contact: | support_contcat:
    external.vendors.0.support_contact: is missing; add it.
    external.vendors.0.support_contcat: unknown key; remove it or fix its spelling.
text for a number |   database: clinic\n |   database: clinic\n  port: five\n
    postgres.port = five: must be a whole number.
a port that does not exist |   database: clinic\n |   database: clinic\n  port: 70000\n
    postgres.port = 70000: must be at most 65535.
neither yes nor no | redis: { | redis: {tls: maybe,\x20
    redis.tls = maybe: must be true or false.
text for a section |   database: clinic\n |   database: clinic\n  created_record: visits\n
    postgres.created_record = visits: must be a section of keys and values.
text for a list | expected: [stripe] | expected: stripe
    external.expected = stripe: must be a list.
a number for text |   database: clinic\n |   database: 5\n
    postgres.database = 5: must be text; put it into quotes.
a missing key of a section |   database: clinic\n | #\n
    postgres.database: is missing; add it.
a key without value |   database: clinic\n |   database:\n
    postgres.database: has no value; write one or remove the key.
an empty text | owner: release manager | owner: ""
    owner: must not be empty.
an empty command | [send-reads, "{seconds}"] | []
    traffic.lease.command: must not be empty.
a word that is none of the choices |   database: clinic\n |   database: clinic\n  sslmode: prefer\n
    postgres.sslmode = prefer: must be 'disable', 'require', 'verify-ca' or 'verify-full'.
another format | schema: 1 | schema: 2
    schema = 2: must be 1.
a time scale that slows down | owner: | time_scale: 0.5\nowner:
    time_scale = 0.5: must be at least 1.
a region's name in capitals |   eu:\n |   EU:\n
    regions.EU: the key itself must be lower-case letters, digits, - and _, beginning with a letter.
two regions with one address | https://us.clinic.example | https://eu.clinic.example/
    regions.us.services.api and regions.eu.services.api are the same address; give each its own.
the global host as a region's | https://us.clinic.example | https://api.clinic.example
    regions.us.services.api and public.api are the same address; give each its own.
a region without a service's address | {api: https://us.clinic.example} | {web: \
https://us.clinic.example}
    regions.us.services lacks an address for api, named under services; add it.
an address without its scheme | http://prometheus.eu.clinic.example:9090 | prometheus.eu:9090
    regions.eu.prometheus = prometheus.eu:9090: must be an http(s) address without user, query or \
fragment.
an address with a password, which is not shown | http://prometheus.eu.clinic.example:9090 | \
http://gate:hunter2@prometheus.eu:9090
    regions.eu.prometheus: must be an http(s) address without user, query or fragment.
a password itself, which is not shown | env:CLINIC_POSTGRES_PASSWORD | hunter2
    postgres.password: must be a reference, env:NAME or file:PATH, never the secret itself.
a duration without unit | 15s | 15
    prometheus.scrape_interval = 15: must be a duration with its unit, such as 30s, 5m or 1h.
a time without zone | 2026-01-31T22:00:00Z | 2026-01-31T22:00:00
    traffic: switched_at needs a time zone, such as 2026-01-31T22:00:00Z.
a number for a time | 2026-01-31T22:00:00Z | 1769896800
    traffic.switched_at = 1769896800: must be a time, such as 2026-01-31T22:00:00Z.
a word for a time | 2026-01-31T22:00:00Z | tonight
    traffic.switched_at = tonight: must be a time, such as 2026-01-31T22:00:00Z.
a service that is not described | synthetic:\n  service: api | synthetic:\n  service: web
    synthetic.service names “web”, which is not among api.
an external section of a service that is not described | external:\n  service: api | external:\n  \
service: web
    external.service names “web”, which is not among api.
a health endpoint that is not described | endpoint: external | endpoint: vendors
    external.endpoint names “vendors”, which is not among liveness, external.
a vendor of a service that nobody reports | services: [stripe] | services: [strpie]
    external.vendors names “strpie”, which is not among stripe.
a vendor needed by a step that the journey has not | sla_minutes: 30 | sla_minutes: 30, needed_by: \
[paying]
    external.vendors.0.needed_by.0 = paying: must be 'registration', 'login', 'booking', 'payment' \
or 'video call'.
load for nobody in particular | redis: { | load: {allowed: true, max_rps: 9}\nredis: {
    load: allowed needs service; add it.
load without a limit | redis: { | load: {allowed: true, service: api}\nredis: {
    load: allowed needs max_rps; add it.
load up to infinity | redis: { | load: {max_rps: .inf}\nredis: {
    load.max_rps = inf: must be a finite number.
load for a service without an address | redis: { | load: {allowed: true, service: fhir, max_rps: \
9}\nredis: {
    regions.eu.services lacks an address for fhir, named under load; add it.
a secret among the headers of load, which is not shown | redis: { | load: {headers: \
{authorization: hunter2}}\nredis: {
    load: headers.authorization would hold a secret; remove it.
an unedited mark | https://eu.clinic.example | "EDIT-ME: address of the API in eu"
    regions.eu.services.api still says EDIT-ME; replace it: address of the API in eu.
a mark in the middle of a value | env:CLINIC_POSTGRES_PASSWORD | env:EDIT-ME
    postgres.password still says EDIT-ME; replace it: see the comment beside it.
"""


@cases("old new said", changes(MISTAKES))
def test_mistake_in_a_value(old: str, new: str, said: list[str], tmp_path: pathlib.Path) -> None:
    assert refusal(tmp_path, changed(old, new)) == [f"clinic.yaml: {one}" for one in said]


NOT_YAML = r"""
a key given twice | owner: release manager\n | owner: release manager\nowner: somebody\n
    clinic.yaml:4: is not valid YAML: the key “owner” is given twice; keep one.
an open bracket | regions:\n | regions: [\n
    clinic.yaml:10: is not valid YAML: expected ',' or ']', but got ':'.
a tab |   eu:\n | \teu:\n
    clinic.yaml:9: is not valid YAML: a tab where YAML wants spaces; replace it by spaces.
two colons |   database: clinic\n |   database: clinic: x\n
    clinic.yaml:32: is not valid YAML: mapping values are not allowed here.
a password that begins with an asterisk, which is not shown | env:CLINIC_POSTGRES_PASSWORD | \
*hunter2
    clinic.yaml:34: is not valid YAML: a * begins an alias that is not defined; quote the text.
a password that begins with an exclamation mark, which is not shown | env:CLINIC_POSTGRES_PASSWORD \
| !hunter2 x
    clinic.yaml:34: is not valid YAML: a ! begins a tag, and none is known; quote the text.
two documents | redis: | ---\nredis:
    clinic.yaml:35: is not valid YAML: a second document begins here; keep one.
a list for a key | owner: | ? [a, b]\n: c\nowner:
    clinic.yaml:3: is not valid YAML: a key must be plain text, not a list or mapping.
Norway for a key |   eu:\n |   no:\n
    clinic.yaml:9: is not valid YAML: the key “no” is not text; quote it.
a date that does not exist | 2026-01-31T22:00:00Z | 2026-13-45
    clinic.yaml: is not valid YAML: it holds a date that does not exist, an alias to itself or \
brackets without end.
an endless alias | public: { | public: &self {me: *self,\x20
    clinic.yaml: is not valid YAML: it holds a date that does not exist, an alias to itself or \
brackets without end.
a control character | release manager | release \0 manager
    clinic.yaml: is not valid YAML: it holds a character that no text has.
"""


@cases("old new said", changes(NOT_YAML))
def test_mistake_in_the_yaml(old: str, new: str, said: list[str], tmp_path: pathlib.Path) -> None:
    assert refusal(tmp_path, changed(old, new)) == said


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param("", "clinic.yaml: is empty; write the settings into it.", id="empty"),
        pytest.param(
            "# later\n", "clinic.yaml: is empty; write the settings into it.", id="only a comment"
        ),
        pytest.param(
            "- a\n",
            "clinic.yaml: is not a mapping of keys to values; see its comments.",
            id="a list",
        ),
        pytest.param(
            VALID.encode().replace(b"release manager", b"Z\xfcrich"),
            "clinic.yaml: cannot be read: it is not UTF-8 text.",
            id="another encoding",
        ),
        pytest.param("a: " + "[" * 3000, _NOT_YAML, id="three thousand brackets"),
    ],
)
def test_mistake_in_the_whole_file(
    content: str | bytes, sentence: str, tmp_path: pathlib.Path
) -> None:
    assert refusal(tmp_path, content) == [sentence]


def test_a_scale_beyond_all_bounds_is_refused(tmp_path: pathlib.Path) -> None:
    (sentence,) = refusal(tmp_path, changed("owner:", "time_scale: .inf\nowner:"))
    assert sentence.endswith("must be a finite number.")


def test_all_mistakes_and_marks_are_listed_at_once(tmp_path: pathlib.Path) -> None:
    text = changed("https://eu.clinic.example", "EDIT-ME").replace("15s", "15")
    text = text.replace("host: db.clinic.example", '"host": "EDIT-ME: the primary"')
    assert refusal(tmp_path, text) == [
        (
            "clinic.yaml: regions.eu.services.api still says EDIT-ME; replace it: "
            "see the comment beside it."
        ),
        "clinic.yaml: postgres.host still says EDIT-ME; replace it: the primary.",
        (
            "clinic.yaml: prometheus.scrape_interval = 15: must be a duration with its unit, such as "
            "30s, 5m or 1h."
        ),
    ]


def test_load_by_accounts_needs_to_know_how_accounts_are_marked(tmp_path: pathlib.Path) -> None:
    text, _, rest = VALID.partition("synthetic:\n")
    text += "load: {allowed: true, service: api, max_rps: 9}\n" + rest[rest.index("vantage") :]
    (sentence,) = refusal(tmp_path, text)
    assert sentence == (
        "clinic.yaml: load.accounts needs the section synthetic, which says how accounts are marked; "
        "add it or write accounts: 0."
    )
    assert loaded(tmp_path, text.replace("max_rps: 9", "max_rps: 9, accounts: 0")).settings.load


def test_merged_keys_may_be_overridden(tmp_path: pathlib.Path) -> None:
    text = changed("labels: {region: eu}", "labels: &eu {region: eu}").replace(
        "labels: {region: us}", "labels: {<<: *eu, region: us}"
    )
    assert loaded(tmp_path, text).settings.regions["us"].labels == {"region": "us"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        pytest.param(
            f"{VALID}monitoring:\n",
            "monitoring holds nothing; fill it in, or remove the key if there is none.",
            id="at the top",
        ),
        pytest.param(
            f"{VALID}data: {{tables: {{}}, backups: }}\n",
            "data.backups holds nothing; fill it in, or remove the key if there is none.",
            id="within a section",
        ),
    ],
)
def test_a_section_whose_lines_were_cut_out_is_refused_and_not_taken_for_absent(
    tmp_path: pathlib.Path, text: str, sentence: str
) -> None:
    assert f"clinic.yaml: {sentence}" in refusal(tmp_path, text)
