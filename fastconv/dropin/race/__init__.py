"""Other people's convolution and pooling, timed against fast: what ``fastconv race`` runs."""

from fastconv.dropin.race.race_report import Lap, Race, RaceRow
from fastconv.dropin.race.racing import race
from fastconv.dropin.race.sizes import Sizes

__all__ = ["Lap", "Race", "RaceRow", "Sizes", "race"]
