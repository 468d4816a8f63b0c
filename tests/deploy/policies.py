"""NetworkPolicies read as a network plugin reads them: what the policies of one namespace let through."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Object = Mapping[str, Any]
_NAMESPACE = "kubernetes.io/metadata.name"


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """One end of a connection; an address outside the cluster has no namespace."""

    name: str
    namespace: str
    labels: Mapping[str, str]

    @property
    def outside(self) -> bool:
        return not self.namespace


@dataclasses.dataclass(frozen=True, slots=True)
class Policies:
    """The policies of a namespace; other namespaces are taken to have none."""

    namespace: str
    objects: Sequence[Object]

    def allow(self, source: Pod, target: Pod, port: int, protocol: str = "TCP") -> bool:
        """Return whether a connection is let out at its beginning and in at its end."""
        wanted = (port, protocol)
        return self._lets(source, target, "egress", wanted) and self._lets(
            target, source, "ingress", wanted
        )

    def _lets(self, here: Pod, there: Pod, way: str, wanted: tuple[int, str]) -> bool:
        selecting = [*self._selecting(here, way)]
        rules = [rule for policy in selecting for rule in policy.get(way, ())]
        peers = "to" if way == "egress" else "from"
        return not selecting or any(
            self._peer(rule.get(peers), there) and _port(rule.get("ports"), wanted)
            for rule in rules
        )

    def _selecting(self, pod: Pod, way: str) -> Iterator[Object]:
        for one in self.objects:
            spec = one["spec"]
            selected = pod.namespace == self.namespace and _selects(spec["podSelector"], pod.labels)
            if selected and way.capitalize() in spec["policyTypes"]:
                yield spec

    def _peer(self, peers: Sequence[Object] | None, pod: Pod) -> bool:
        return not peers or any(self._is(peer, pod) for peer in peers)

    def _is(self, peer: Object, pod: Pod) -> bool:
        if "ipBlock" in peer:
            # A plugin may see the pod's own address there; so everything is in 0.0.0.0/0.
            return True
        if pod.outside:
            return False
        namespaces = peer.get("namespaceSelector")
        if namespaces is None:
            right = pod.namespace == self.namespace
        else:
            right = _selects(namespaces, {_NAMESPACE: pod.namespace})
        return right and _selects(peer.get("podSelector", {}), pod.labels)


def _selects(selector: Object, labels: Mapping[str, str]) -> bool:
    assert set(selector) <= {"matchLabels"}, "this reader knows matchLabels alone"
    wanted: Mapping[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def _port(ports: Sequence[Object] | None, wanted: tuple[int, str]) -> bool:
    return not ports or wanted in {(one["port"], one.get("protocol", "TCP")) for one in ports}
