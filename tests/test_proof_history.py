"""The checker of histories finds each kind of anomaly in a small history, and nothing in a correct one."""

import pytest

from proof.history import NEVER_S, Append, Count, Delete, History, Look, Place
from proof.history_checker import anomalies, in_short

THREAD = "thread_a"


def sent(text, began_s, ended_s=NEVER_S, seq=None, **more):
    """One append of one message; without a number its result is unknown."""
    return Append(THREAD, (text,), began_s, ended_s, None if seq is None else (seq,), **more)


def places(*pairs):
    return tuple(Place(seq, text) for seq, text in pairs)


def look(began_s, ended_s, *pairs, **window):
    return Look(THREAD, places(*pairs), began_s, ended_s, **window)


def correct():
    """Two clients append, one deletes, one result is unknown, and several look on."""
    return History(
        appends=[
            sent("a", 1, 2, 1),
            Append(THREAD, ("b", "c"), 1, 4, (2, 3)),
            sent("d", 3, 5, 4),
            sent("unknown, but written", 6),
            sent("unknown, and not written", 6),
            sent("refused", 6, 7, was_refused=True),
            sent("e", 8, 9, 6),
        ],
        deletes=[Delete(THREAD, 2, 10, 12), Delete(THREAD, 4, 10)],
        looks=[
            look(0, 1),
            look(2.5, 3.5, (1, "a"), (2, "b"), (3, "c")),
            look(5.5, 7, (3, "c"), (4, "d"), (5, "unknown, but written"), first=3),
            look(9.5, 9.7, (1, "a"), (2, "b"), (3, "c"), last=3),
            look(11, 13, (1, "a"), (2, "b"), (3, "c"), (5, "unknown, but written"), (6, "e")),
            look(13, 14, (1, "a"), (3, "c"), (4, "d"), (5, "unknown, but written"), (6, "e")),
        ],
        counts=[Count(THREAD, 0, 1, 0, 1), Count(THREAD, 3, 2, 2.5, 3.5), Count(THREAD, 6, 2, 9.5, 13)],
        final={THREAD: places((1, "a"), (3, "c"), (4, "d"), (5, "unknown, but written"), (6, "e"))},
    )


def kinds(history):
    return {each.kind for each in anomalies(history)}


def test_a_correct_history_has_no_anomaly():
    assert anomalies(correct()) == []


def test_an_answered_message_that_is_not_there_in_the_end_is_lost():
    history = correct()
    history.appends.append(sent("f", 15, 16, 7))

    assert kinds(history) == {"lost"}


def test_a_text_at_two_numbers_is_doubled():
    history = correct()
    history.final[THREAD] += places((7, "e"))

    assert kinds(history) == {"doubled"}


def test_a_number_with_two_texts_is_doubled():
    history = correct()
    history.appends.append(sent("f", 8, 9, 6))

    assert "doubled" in kinds(history)


def test_a_text_that_one_list_shows_twice_is_doubled():
    history = correct()
    history.looks.append(look(2.5, 3, (1, "a"), (1, "a")))

    assert "doubled" in kinds(history)


def test_a_list_that_is_not_in_the_order_of_numbers_is_reordered():
    history = correct()
    history.looks.append(look(2.5, 3.5, (2, "b"), (1, "a"), (3, "c")))

    assert kinds(history) == {"reordered"}


def test_an_append_that_began_after_a_greater_number_was_answered_is_reordered():
    history = History(
        appends=[sent("a", 1, 2, 2), sent("b", 3, 4, 1)],
        final={THREAD: places((1, "b"), (2, "a"))},
    )

    assert kinds(history) == {"reordered"}


def test_an_append_that_began_after_a_greater_number_was_shown_is_reordered():
    history = History(
        appends=[sent("a", 1, 9, 2), sent("b", 3, 4, 1)],
        looks=[look(1.5, 2.5, (2, "a"), first=2)],
        final={THREAD: places((1, "b"), (2, "a"))},
    )

    assert kinds(history) == {"reordered"}


def test_the_messages_of_one_append_that_do_not_stand_together_are_reordered():
    history = History(
        appends=[Append(THREAD, ("a", "b"), 1, 9, (1, 3)), sent("c", 1, 9, 2)],
        final={THREAD: places((1, "a"), (2, "c"), (3, "b"))},
    )

    assert kinds(history) == {"reordered"}


def test_a_number_that_is_shown_before_the_one_below_it_is_reordered():
    history = History(
        appends=[sent("a", 1, 9, 1), sent("b", 1, 9, 2)],
        looks=[look(2, 3, (2, "b"))],
        final={THREAD: places((1, "a"), (2, "b"))},
    )

    assert kinds(history) == {"reordered"}


def test_a_number_that_no_message_ever_had_is_skipped():
    history = correct()
    history.appends.append(sent("f", 15, 16, 8))
    history.final[THREAD] += places((8, "f"))

    assert kinds(history) == {"skipped"}


def test_a_list_without_what_was_answered_before_it_began_is_stale():
    history = correct()
    history.looks.append(look(9.5, 9.7, (1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "unknown, but written")))

    assert kinds(history) == {"stale"}


def test_a_list_without_what_another_list_showed_before_it_began_is_stale():
    history = correct()
    history.looks.append(look(7.5, 7.7, (1, "a"), (2, "b"), (3, "c"), (4, "d")))

    assert kinds(history) == {"stale"}


@pytest.mark.parametrize("pairs", [((1, "a"), (2, "b")), ((2, "b"),)], ids=["in a list", "alone"])
def test_a_list_with_what_was_deleted_before_it_began_is_stale(pairs):
    history = correct()
    history.looks.append(look(12.5, 13, *pairs, first=pairs[0][0], last=2))

    assert kinds(history) == {"stale"}


def test_a_deleted_message_that_is_there_in_the_end_is_stale():
    history = correct()
    history.final[THREAD] = places((1, "a"), (2, "b"), *history.final[THREAD][1:])

    assert kinds(history) == {"stale"}


@pytest.mark.parametrize("text", ["nobody's", "refused"])
def test_a_text_that_nobody_sent_or_that_was_refused_is_a_phantom(text):
    history = correct()
    history.final[THREAD] += places((7, text))

    assert kinds(history) == {"phantom"}


def test_a_text_that_is_shown_before_it_was_sent_is_a_phantom():
    history = correct()
    history.looks.append(look(0, 0.5, (1, "a")))

    assert kinds(history) == {"phantom", "reordered"}


def test_a_text_of_another_thread_is_a_phantom():
    history = correct()
    history.appends.append(Append("thread_b", ("f",), 15, 16, (1,)))
    history.final |= {"thread_b": places((1, "f")), THREAD: (*history.final[THREAD], Place(7, "f"))}

    assert kinds(history) == {"phantom"}


@pytest.mark.parametrize("count", [4, 8])
def test_a_count_that_no_moment_can_have_had_is_miscounted(count):
    history = correct()
    history.counts.append(Count(THREAD, count, 2, 9.2, 9.7))

    assert kinds(history) == {"miscounted"}


def test_a_time_of_change_that_falls_has_turned_back():
    history = correct()
    history.counts.append(Count(THREAD, 5, 1, 20, 21))

    assert kinds(history) == {"turned back"}


def test_of_many_anomalies_of_one_kind_the_first_are_told_and_the_others_counted():
    history = correct()
    history.appends += [sent(f"lost {n}", 20 + n, 20.5 + n, 7 + n) for n in range(5)]

    told = in_short(anomalies(history))

    assert len(told) == 3
    assert told[0] == "lost: lost 0 was answered as number 7 of thread_a, and is not there"
    assert told[-1].endswith("(and 2 more lost)")
