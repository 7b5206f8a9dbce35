"""Whom a budget refines, and what the others carry on."""

import time

import numpy as np

from icl_mesh.refinement.budget import DECAY, Budget, Corrections


def corrections(squares: np.ndarray, age: float = 0.0) -> Corrections:
    count = len(squares)
    offset = np.arange(count * 34, dtype=float).reshape(count, 17, 2)
    weight = np.full((count, 17), 0.9)
    return Corrections(squares, offset, weight, np.full(count, 0.7), np.full(count, age))


SQUARES = np.array([[100.0, 100.0, 80.0], [300.0, 100.0, 80.0], [500.0, 100.0, 80.0]])


def test_at_first_the_best_scores_come_first() -> None:
    budget = Budget(10.0)
    assert budget.order(SQUARES, np.array([0.3, 0.9, 0.6])).tolist() == [1, 2, 0]
    assert budget.carried() is None


def test_new_people_come_first_then_moving_ones_then_those_who_waited() -> None:
    budget = Budget(10.0)
    known = corrections(SQUARES)
    budget.remember(known._replace(age=np.array([0.0, 3.0, 0.0])))
    moved = SQUARES + [[0.0, 0, 0], [0.0, 0, 0], [20.0, 0, 0]]  # a quarter of a side: 5 images
    new = np.vstack((moved, [[700.0, 400.0, 80.0]]))
    assert budget.order(new, np.full(4, 0.5)).tolist() == [3, 2, 1, 0]


def test_one_person_at_least_and_no_more_than_there_is_time_for() -> None:
    order = np.array([2, 0, 1])
    assert [part.tolist() for part in Budget(0.0).parts(order)] == [[2]]
    assert [part.tolist() for part in Budget(1e6).parts(order)] == [[2], [0], [1]]
    refined = 0
    for _ in Budget(1.0).parts(np.arange(1000)):
        time.sleep(0.002)
        refined += 1
    assert refined == 1
    assert list(Budget(1e6).parts(order[:0])) == []


def test_corrections_follow_their_people_and_fade() -> None:
    budget = Budget(10.0)
    known = corrections(SQUARES)
    budget.remember(known)
    budget.order(SQUARES[[2, 0]] + [3.0, 0.0, 0.0], np.ones(2))
    rows, carried = budget.carried()
    np.testing.assert_array_equal(rows, [0, 1])
    np.testing.assert_array_equal(carried.offset, known.offset[[2, 0]])
    np.testing.assert_allclose(carried.weight, DECAY * 0.9)
    np.testing.assert_array_equal(carried.age, [1, 1])


def test_far_people_and_people_of_another_size_are_others() -> None:
    budget = Budget(10.0)
    budget.remember(corrections(SQUARES[:2]))
    budget.order(np.array([[100.0, 190.0, 80.0], [300.0, 100.0, 160.0]]), np.ones(2))
    rows, _ = budget.carried()
    assert len(rows) == 0


def test_images_without_people() -> None:
    budget = Budget(10.0)
    budget.remember(corrections(SQUARES))
    assert len(budget.order(SQUARES[:0], np.ones(0))) == 0
    budget.remember(corrections(SQUARES[:0]))
    assert len(budget.order(SQUARES, np.ones(3))) == 3
