"""Images, the web application and secrets: what a release is made of and where it lies."""

from __future__ import annotations

from pytest_bdd import then, when

from steps.delivery import bundle, edge_caches, images, secrets, site
from steps.delivery.images import BuildEvidence, RegistryReading
from steps.kit.check import Check
from steps.kit.run import Run


@when("the evidence of the image build is read", target_fixture="built")
def image_evidence(run: Run, check: Check) -> BuildEvidence:
    return BuildEvidence.read(run.platform, check, images.described(run.platform).evidence)


@when("the evidence of the web build is read", target_fixture="built")
def web_evidence(run: Run, check: Check) -> BuildEvidence:
    return BuildEvidence.read(run.platform, check, bundle.described(run.platform).evidence)


@then("the build passed")
def build_passed(built: BuildEvidence) -> None:
    built.passed()


@then("the evidence names the digest of every image")
def names_every_image(run: Run, built: BuildEvidence) -> None:
    built.names(images.described(run.platform).repositories)


@then("the evidence names the digest of the bundle's manifest")
def names_the_manifest(run: Run, built: BuildEvidence) -> None:
    built.names((bundle.described(run.platform).manifest,))


@when("the release's tag of every image is looked up in the registry", target_fixture="registry")
def registry(run: Run, check: Check) -> RegistryReading:
    return RegistryReading.read(run.platform, check)


@then("every image is there")
def every_image_there(registry: RegistryReading) -> None:
    registry.all_there()


@then("every tag leads to the digest of the build's evidence, and can't be moved if it must not")
def every_tag_as_built(registry: RegistryReading) -> None:
    registry.as_built()


@when("the bucket is compared with the build's manifest", target_fixture="delivered")
@when("the invalidations since the upload are looked at", target_fixture="delivered")
@when("the site is read in every region", target_fixture="delivered")
@when("the ages of the secrets and access keys are looked at", target_fixture="delivered")
def delivered(run: Run) -> Run:
    return run


@then("every file is there as it was built, and none is left over")
def uploaded(delivered: Run, check: Check) -> None:
    bundle.uploaded(delivered.platform, check)


@then("one of everything is completed")
def invalidated(delivered: Run, check: Check) -> None:
    edge_caches.invalidated(delivered.platform, check)


@then("page and assets are those of the build, with the wanted cache headers")
def served(delivered: Run, check: Check) -> None:
    site.serves_the_build(delivered.platform, delivered.availability, check)


@then("none is older than the policy allows")
def rotated(delivered: Run, check: Check) -> None:
    secrets.rotated(delivered.platform, check)
