from __future__ import annotations

from collections.abc import Callable

from gates.load import ROOT, Checks
from gates.run.executor import executor
from tests.tables import cases

GITHUB = {
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "uh/gate",
    "GITHUB_RUN_ID": "7",
    "GITHUB_RUN_NUMBER": "12",
    "GITHUB_WORKFLOW": "deploy",
    "GITHUB_SHA": "416b122",
    "GITHUB_WORKSPACE": str(ROOT.parent),
}
GITLAB = {
    "CI_PROJECT_URL": "https://gitlab.example/uh/gate",
    "CI_JOB_NAME": "gate",
    "CI_PIPELINE_IID": "12",
    "CI_JOB_URL": "https://gitlab.example/uh/gate/-/jobs/7",
    "CI_COMMIT_SHA": "416b122",
    "CI_PROJECT_DIR": str(ROOT),
}
JENKINS = {
    "JENKINS_URL": "https://ci.example/",
    "JOB_NAME": "gate",
    "BUILD_NUMBER": "12",
    "BUILD_URL": "https://ci.example/job/gate/12/",
}


@cases(
    "variables",
    {
        "GitHub, the gate in a folder of what it built": GITHUB,
        "GitLab": GITLAB,
        "Jenkins, which does not say where files are shown": JENKINS,
        "GitLab with another project checked out": GITLAB | {"CI_PROJECT_DIR": "/builds/other"},
        "an address with a login": JENKINS | {"BUILD_URL": "https://me:secret@ci.example/7"},
        "an address that a browser would run": JENKINS | {"BUILD_URL": "javascript:alert(1)"},
        "a person's machine": {"HOME": "/root"},
    },
)
def test_the_server_that_runs_the_gate_is_known_by_its_variables(
    variables: dict[str, str], said: Callable[..., None]
) -> None:
    found = executor(variables, Checks())
    said(found and found.record(), {f"/{ROOT.name}": "/CHECKOUT"})
