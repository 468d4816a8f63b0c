"""Every fault's action by name; each area keeps its own in a module `*_faults.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.systems.cluster import faults as kubernetes_faults
from sandbox.systems.data import faults as data_faults
from sandbox.systems.delivery import faults as delivery_faults
from sandbox.systems.flags import faults as flags_faults
from sandbox.systems.monitoring import faults as monitoring_faults
from sandbox.systems.network import faults as network_faults
from sandbox.systems.people import faults as deployment_faults
from sandbox.systems.service import faults as post_deploy_faults

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
