"""With which key a runner signs what its runs left."""

from __future__ import annotations

from settings.sections import SecretReference, Section


class Signing(Section):
    """The key of the machine that runs the gate."""

    key: SecretReference
    """A private SSH key without a passphrase, as `ssh-keygen -t ed25519` makes it. Its public key stands in
    the approvers' file, with the role runner."""
