"""Alerts as a pure function of the rounds: each is raised once, and again only after it had cleared."""

from __future__ import annotations

from flows.alerts import FEWEST, Alert, AlertsSettings, Budget, Ending, Facts, Kind, State, after_round, replay

SETTINGS = AlertsSettings(stagnation_rounds=3, window=10, machine_failure_share=0.3, candidate_failure_share=0.6)
PATIENT = SETTINGS.model_copy(update={"machine_failure_share": 1.0})


def _run(*rounds: Facts, settings: AlertsSettings = SETTINGS) -> list[list[Kind]]:
    """The kinds raised after each round."""
    state, raised = State(), list[list[Kind]]()
    for facts in rounds:
        state, fresh = after_round(settings, state, facts)
        raised.append([alert.kind for alert in fresh])
    return raised


def _scored(*fitnesses: float) -> list[Facts]:
    return [Facts(index, "scored", fitness) for index, fitness in enumerate(fitnesses)]


def _ended(ending: Ending, count: int) -> list[Facts]:
    return [Facts(index, ending) for index in range(count)]


def test_stagnation_is_raised_once_until_a_new_best_clears_it() -> None:
    raised = _run(*_scored(1, 1, 1, 1, 1, 2, 1, 1, 1, 1))
    assert raised == [[], [], [], ["stagnation"], [], [], [], [], ["stagnation"], []]


def test_a_round_that_our_machine_lost_is_no_attempt_without_a_new_best() -> None:
    lost = Facts(3, "machine")
    assert _run(*_scored(1, 1, 1), lost, lost, settings=PATIENT)[-1] == []
    assert _run(*_scored(1, 1, 1), lost, Facts(4, "candidate"), settings=PATIENT)[-1] == ["stagnation"]


def test_failures_are_taken_over_the_last_rounds_only() -> None:
    failing = _ended("candidate", FEWEST)
    assert _run(*failing) == [[]] * 2 + [["stagnation"]] + [[]] + [["candidate_failures"]]
    mended = [*failing, *_scored(*map(float, range(10))), *_ended("proposal", 6)]
    assert _run(*mended)[-1] == ["candidate_failures"]  # it had cleared in between


def test_too_few_rounds_say_nothing_about_a_share() -> None:
    assert _run(*_ended("machine", FEWEST - 1)) == [[]] * (FEWEST - 1)
    assert _run(*_ended("machine", FEWEST))[-1] == ["machine_failures"]


def test_each_limit_has_an_alert_of_its_own() -> None:
    def facts(dollars: float, hours: float) -> Facts:
        return Facts(1, "scored", 1.0, (Budget("dollars", dollars, 10), Budget("hours", hours, 10)))

    state, _ = after_round(SETTINGS, State(), facts(7.9, 1))
    state, fresh = after_round(SETTINGS, state, facts(8, 1))
    assert [alert.key for alert in fresh] == ["budget:dollars"]
    state, fresh = after_round(SETTINGS, state, facts(9, 9))
    assert [alert.key for alert in fresh] == ["budget:hours"]
    assert "90% of the budget of 10 hours" in fresh[0].sentence


def test_the_state_does_not_grow_with_the_campaign() -> None:
    state = replay(SETTINGS, _scored(*[0.0] * 5000))
    assert len(state.recent) == SETTINGS.window


def test_what_holds_after_a_resume_is_known_and_not_raised_again() -> None:
    state = replay(SETTINGS, _scored(1, 1, 1, 1))
    assert state.holding == (Alert("stagnation", "no new best for 3 rounds", 3, 3),)
    assert after_round(SETTINGS, state, Facts(5, "scored", 0.5))[1] == ()
