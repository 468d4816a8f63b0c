"""The root conftest: which plugins make feature files into checks, and where the steps are."""

pytest_plugins = [
    "bdd.options",
    "bdd.collector",
    "bdd.guard",
    "bdd.session",
    "bdd.recorder",
    "bdd.allure_bridge",
    "steps.data.sentences",
    "steps.delivery.sentences",
    "steps.cluster.sentences",
    "steps.flags.audit_sentences",
    "steps.flags.sentences",
    "steps.service.sentences",
    "steps.service.integration_sentences",
    "steps.delivery.mobile_sentences",
    "steps.service.journey_sentences",
    "steps.monitoring.sentences",
    "steps.network.sentences",
    "steps.objectives.sentences",
    "steps.people.sentences",
    "steps.service.vendor_sentences",
]
