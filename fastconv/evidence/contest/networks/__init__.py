"""Whole networks against other engines: inference and training steps."""

from fastconv.evidence.contest.networks.api import run_networks
from fastconv.evidence.contest.networks.contest import NetworkContest
from fastconv.evidence.contest.networks.heats import NetworkHeat

__all__ = ["NetworkContest", "NetworkHeat", "run_networks"]
