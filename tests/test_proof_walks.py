"""The judgement of walks finds what a walk skipped, repeated or invented, and nothing in a walk that was right."""

from proof.walking import Life, Span, Walk

DURING = Span(10, 20)
BEFORE = Span(1, 2)


def lives(**more):
    """Three objects that were made before the walk, and `more`."""
    return {**{id: Life(BEFORE) for id in "abc"}, **more}


def walk(*ids, sort="createdAt", **more):
    shown = [{"id": id, sort: ord(id)} for id in ids]
    return Walk("A walk", sort, False, DURING, shown, **more)


def test_a_walk_that_shows_everything_once_is_right():
    assert list(walk("a", "b", "c").faults(lives())) == []


def test_what_was_there_all_the_time_must_not_be_skipped():
    assert list(walk("a", "c").faults(lives())) == ["A walk skipped b, which was there all the time"]


def test_what_came_went_or_hid_meanwhile_may_be_shown_or_not():
    fleeting = {
        "d": Life(Span(9, 11)),
        "e": Life(BEFORE, gone=Span(19, 21)),
        "f": Life(BEFORE, absences=[Span(5, 12)]),
    }

    assert list(walk("a", "b", "c").faults(lives(**fleeting))) == []
    assert list(walk("a", "b", "c", "d", "e", "f").faults(lives(**fleeting))) == []


def test_nothing_is_shown_twice_but_what_changed_in_the_order_of_changes():
    changed = lives(d=Life(BEFORE, changes=[Span(11, 12)]))

    assert list(walk("a", "b", "c", "d", "d").faults(changed)) == ["A walk showed d 2 times"]
    assert list(walk("a", "b", "c", "d", "d", sort="updatedAt").faults(changed)) == []
    assert list(walk("a", "b", "c", "c", sort="updatedAt").faults(lives())) == ["A walk showed c 2 times"]


def test_what_was_deleted_before_or_never_made_must_not_be_shown():
    gone = lives(d=Life(BEFORE, gone=Span(3, 4)))

    assert list(walk("a", "b", "c", "d").faults(gone)) == ["A walk showed d, which had been deleted before"]
    assert list(walk("a", "b", "c", "e").faults(gone)) == ["A walk showed e, which nobody made"]


def test_a_walk_keeps_to_its_order():
    assert list(walk("a", "c", "b").faults(lives())) == ["A walk showed createdAt 99 before 98"]


def test_a_walk_need_not_show_the_object_at_which_it_began():
    assert list(walk("b", "c", begins_at="a").faults(lives())) == []
