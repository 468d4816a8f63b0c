"""The root conftest: which plugins make feature files into checks, and where the steps are."""

pytest_plugins = [
    "bdd.options",
    "bdd.collector",
    "bdd.guard",
    "bdd.session",
    "bdd.recorder",
    "bdd.allure_bridge",
    "steps.data",
    "steps.delivery",
    "steps.cluster",
    "steps.audit",
    "steps.flags",
    "steps.health",
    "steps.integrations",
    "steps.mobile",
    "steps.journey",
    "steps.monitoring",
    "steps.network",
    "steps.objectives",
    "steps.schedule",
    "steps.vendors",
]
