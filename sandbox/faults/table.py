"""Every fault's action by name; each area keeps its own in a module `*_faults.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.faults import (
    data_faults,
    delivery_faults,
    deployment_faults,
    flags_faults,
    kubernetes_faults,
    monitoring_faults,
    network_faults,
    post_deploy_faults,
)

if TYPE_CHECKING:
    from sandbox.faults.actions import Action

ACTIONS: dict[str, Action] = {
    **monitoring_faults.FAULTS,
    **network_faults.FAULTS,
    **data_faults.FAULTS,
    **kubernetes_faults.FAULTS,
    **flags_faults.FAULTS,
    **post_deploy_faults.FAULTS,
    **delivery_faults.FAULTS,
    **deployment_faults.FAULTS,
}
