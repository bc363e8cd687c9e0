"""What goes wrong when work is done elsewhere; see :mod:`pseudolink.errors`."""

from __future__ import annotations

from pseudolink.errors import PseudolinkError


class ClusterError(PseudolinkError):
    """A cluster does not answer, or a job of it failed; what the job held is not told."""

    code = "PL-ENGINE-01"


class PlanError(PseudolinkError):
    """A plan of shards is damaged, or belongs to other inputs."""

    code = "PL-ENGINE-02"
