"""What functions and objects remember from one call to the next: nothing but the last one."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from fastconv.dropin.accelerate.beside import gave_same
from fastconv.dropin.accelerate.mismatch import Mismatch
from fastconv.dropin.accelerate.trials import Trial, Trials, verdicts_on
from fastconv.dropin.conventions.calls import Calls
from fastconv.dropin.conventions.convention import Implementation
from fastconv.dropin.conventions.judge import OK, RAISED, WRONG, Run, Verdict
from fastconv.dropin.conventions.problem import Pair, Problem, draw

_CASE = "a second call"
Verdicts = Mapping[str, Verdict]


@dataclass(frozen=True)
class _OneObject(Implementation):
    """An implementation all of whose calls are those of one object, as long as it is made with the same sizes."""

    kept: dict[tuple[Any, ...], Any] = field(default_factory=dict, compare=False)

    def made(self, *arguments: Any) -> Any:
        sizes = tuple(each for each in arguments if isinstance(each, (int, tuple)))
        if sizes not in self.kept:
            self.kept[sizes] = super().made(*arguments)
        return self.kept[sizes]


def remembering(implementation: Implementation, roles: list[str], trials: Trials) -> dict[str, Mismatch]:
    """Return why functions are refused that remember more than the last forward pass.

    Parameters
    ----------
    implementation : Implementation
        Somebody's functions.
    roles : list of str
        Which of them.
    trials : sequence of Trial
        What they did, each object in one case.

    Returns
    -------
    dict of str to Mismatch
        By role: gradients that add up when the backward pass is run again, and objects that are right in their first
        call, and not in the third after one with another size, or raise in that, where their equivalents would not.
    """
    return _unlike_the_first(implementation, roles, trials) | _adding_up(implementation, roles, trials)


def _adding_up(implementation: Implementation, roles: list[str], trials: Trials) -> dict[str, Mismatch]:
    """The backward functions that give something else when they are called again after the same forward pass."""
    convention, found = implementation.convention, {}
    backwards = [role for role in roles if role != convention.first] if convention.cached else []
    for role in backwards:
        trial = next((trial for trial in trials if trial.verdicts[role].kind == OK), trials[0])
        try:
            _, context = convention.forward(implementation, trial.problem)
            first, second = (deepcopy(convention.backward(implementation, trial.problem, context, role)) for _ in "12")
        except (Exception, SystemExit):  # noqa: BLE001 - theirs: it cannot be called again, so nothing adds up
            continue
        if not gave_same(implementation, role, Run(first, {}), Run(second, {})):
            text = (
                "a second backward pass does not give the same as the first: gradients add up, or something is used up"
            )
            found[role] = Mismatch(_CASE, f"{trial} {text}", problem=trial.problem)
    return found


def _unlike_the_first(implementation: Implementation, roles: list[str], trials: Trials) -> dict[str, Mismatch]:
    """The methods that are not right when their object has been called before."""
    right = [trial for trial in trials if all(trial.verdicts[role].kind == OK for role in roles)]
    if implementation.cls is None or not right:
        return {}
    small = implementation.convention.adapted(implementation, right[0].problem.only(images=1))
    first, larger, again = (
        Trial(right[0].case, problem, {}) for problem in (small, _like(small, (1, 3)), _like(small, (0, 0)))
    )
    found: dict[str, Mismatch] = {}
    for between in ([larger], []):  # an object may be of one size
        calls = _calls_of_one_object(implementation, (first, *between, again))
        raised = [role for _, verdicts in calls[1:-1] for role in roles if verdicts[role].kind == RAISED]
        if not raised:
            break
        found |= _answered(implementation, raised, (first, larger))
    for trial, verdicts in calls[:0:-1]:
        for role in roles:
            if verdicts[role].kind in (WRONG, RAISED):
                text = f"{trial} {verdicts[role].text}, where its object was called before"
                found[role] = Mismatch(_CASE, text, problem=trial.problem)
    return found


def _calls_of_one_object(implementation: Implementation, trials: Trials) -> list[tuple[Trial, Verdicts]]:
    """What one object does in a row of calls."""
    one = _OneObject(implementation.convention, implementation.targets, implementation.cls, implementation.details)
    return [(trial, verdicts_on(one, trial.case, trial.problem)) for trial in trials]


def _answered(implementation: Implementation, raised: list[str], trials: Trials) -> dict[str, Mismatch]:
    """The methods that raise in the last of these calls, and whose equivalents are right in it."""
    functions = implementation.convention.fast(implementation, Calls(engine="numpy"))
    trial, ours = _calls_of_one_object(implementation.with_functions(functions), trials)[-1]
    text = f"{trial} it raises, where its object was called with another size before, and its equivalent does not"
    return {role: Mismatch(_CASE, text, problem=trial.problem) for role in raised if ours[role].kind == OK}


def _like(problem: Problem, more: Pair) -> Problem:
    """A problem with the same filters and windows, and other images, by so many rows and columns larger."""
    _, channels, height, width = problem.x.shape
    filters = 1 if problem.weight is None else len(problem.weight)
    numbers = {"images": 1, "channels": channels, "filters": filters, "seed": 1}
    size = height + more[0], width + more[1]
    other = draw(problem.operation, size=size, kernel=problem.kernel, **problem.options, **numbers)
    return replace(other, weight=problem.weight, bias=problem.bias)
