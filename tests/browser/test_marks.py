"""What stands at messages besides their text: that a program keeps data with one, and the day of an older one."""

import time

import pytest
from playwright.async_api import expect

from browser.test_looks import OVERFLOW, PHONE, check_accessible

DAY_S = 24 * 3600
NEW_YEAR = 1_704_110_400


async def test_a_message_with_a_payload_says_what_kind_of_data_it_carries(visit, ada):
    thread = await ada.create_thread(title="data")
    payload = {"format": "ai-sdk/ui-message", "data": "<script>pwn()</script>"}
    await ada.post_messages(
        thread,
        [{"role": "user", "content": "plain"}, {"role": "assistant", "content": "with data", "payload": payload}],
    )

    screen = await visit(ada, thread)

    mark = screen.page.get_by_role("img", name="Carries data of ai-sdk/ui-message")
    await expect(mark).to_have_count(1)
    await expect(screen.messages.last.get_by_title("Carries data of ai-sdk/ui-message")).to_be_visible()
    await expect(screen.page.get_by_text("pwn")).to_have_count(0)


@pytest.fixture
async def imported(ada):
    """A thread of New Year 2024, in the evening and on the next day, that goes on today."""
    return await ada.create_thread(
        title="imported",
        createdAt=NEW_YEAR,
        messages=[
            {"role": "user", "content": "Happy New Year", "createdAt": NEW_YEAR},
            {"role": "assistant", "content": "To you as well", "createdAt": NEW_YEAR + 60},
            {"role": "user", "content": "What was it?", "createdAt": NEW_YEAR + DAY_S},
            {"role": "user", "content": "It is now", "createdAt": int(time.time())},
        ],
    )


async def test_imported_messages_show_their_own_day_where_it_is_another_one(visit, ada, imported):
    screen = await visit(ada, imported, timezone_id="UTC")
    await expect(screen.messages).to_have_count(4)

    days = screen.page.locator(".day")
    await expect(days.first).to_have_text("Monday, 1 January 2024")
    await expect(days.nth(1)).to_have_text("Tuesday, 2 January 2024")
    await expect(days).to_have_count(3)
    await expect(days.last).to_have_text(time.strftime("%A, %-d %B %Y", time.gmtime()))
    await expect(screen.messages.first.locator("time")).to_contain_text("1 Jan 2024, 12:00")
    await expect(screen.messages.nth(1).locator("article")).to_have_attribute(
        "aria-label", "Assistant, 1 Jan 2024, 12:01"
    )


async def test_messages_of_today_need_no_day(visit, ada):
    thread = await ada.create_thread(title="today")
    await ada.post_message(thread, "now")
    screen = await visit(ada, thread)

    await expect(screen.messages).to_have_count(1)

    await expect(screen.page.locator(".day")).to_have_count(0)


async def test_a_thread_that_was_imported_stands_in_the_list_with_its_own_time(visit, ada):
    await ada.create_thread(
        title="imported",
        createdAt=NEW_YEAR,
        messages=[{"role": "user", "content": "Happy New Year", "createdAt": NEW_YEAR}],
    )

    screen = await visit(ada, timezone_id="UTC")

    await expect(screen.rows.first.locator("time")).to_have_text("1 Jan 2024")


@pytest.mark.parametrize("window", [{}, {"color_scheme": "dark"}, PHONE], ids=["light", "dark", "phone"])
async def test_days_and_marks_fit_and_are_accessible(visit, ada, imported, window):
    payload = {"format": "a" * 64, "data": "{}"}
    await ada.post_message(imported, "with data", "assistant", payload=payload)
    screen = await visit(ada, imported, **window)
    await expect(screen.messages).to_have_count(5)

    assert await screen.page.evaluate(OVERFLOW) == []
    await check_accessible(screen)
