"""Signing in and out, and choosing an organization."""

import base64
import json
import re

import pytest
from playwright.async_api import expect

STORED = "() => [sessionStorage.getItem('threadkeep.credential'), localStorage.getItem('threadkeep.credential')]"


async def test_the_link_signs_in_and_its_token_leaves_the_address_at_once(visit, ada):
    screen = await visit()

    await screen.sign_in(ada)

    assert screen.page.url == f"{screen.server_url}/#/{ada.organization}"
    assert ada.token not in await screen.page.content()
    assert await screen.page.evaluate(STORED) == [ada.token, None]
    await expect(screen.page.get_by_text(ada.user)).to_be_visible()


async def test_a_link_that_is_opened_in_a_window_in_use_signs_in_the_other_person(visit, ada, place):
    thread = await ada.create_thread(title="Ada's own")
    screen = await visit(ada, thread)
    other = await place.people.owner()

    await screen.page.evaluate("token => { location.hash = `token=${token}`; }", other.token)
    await screen.button("Sign in", screen.dialog).click()

    await expect(screen.page.get_by_text(other.user)).to_be_visible()
    await expect(screen.page.get_by_text("Ada's own")).to_have_count(0)
    assert other.token not in screen.page.url


async def test_a_products_user_who_is_no_member_sees_what_is_theirs(visit, ada, place):
    user = await place.people.product_user(ada)
    await user.create_thread(title="Hers")
    await ada.create_thread(title="Ada's own")

    screen = await visit(user)

    await expect(screen.page.get_by_text(user.user)).to_be_visible()
    await expect(screen.rows).to_have_count(1)
    await expect(screen.rows).to_contain_text("Hers")


async def test_a_key_may_be_pasted_and_kept_on_the_device(visit, ada):
    screen = await visit()
    await screen.page.goto(screen.server_url)
    await screen.page.get_by_label("Token or API key").fill(f" {ada.key}\n")
    await screen.page.get_by_label("Stay signed in").check()

    await screen.button("Sign in").click()

    await expect(screen.page.get_by_text("owner, by API key")).to_be_visible()
    assert await screen.page.evaluate(STORED) == [None, ada.key]


@pytest.mark.parametrize(
    ("pasted", "sentence"),
    [("tk_nobodys", "does not know this token or key"), ("two words", "neither a token nor a key")],
)
async def test_what_is_no_credential_gets_a_sentence(visit, pasted, sentence):
    screen = await visit()
    screen.expects_refusals = True
    await screen.page.goto(screen.server_url)
    await screen.page.get_by_label("Token or API key").fill(pasted)

    await screen.button("Sign in").click()

    await expect(screen.page.get_by_role("alert")).to_contain_text(sentence)
    assert await screen.page.evaluate(STORED) == [None, None]


async def test_signing_out_forgets_the_credential_and_the_conversation(visit, ada):
    thread = await ada.create_thread(title="secret plans")
    screen = await visit(ada, thread)

    await screen.button("Sign out").click()

    await expect(screen.page.get_by_role("heading", name="Sign in")).to_be_visible()
    await expect(screen.page.get_by_text("secret plans")).to_have_count(0)
    assert await screen.page.evaluate(STORED) == [None, None]


async def test_a_credential_that_ends_leads_back_to_signing_in_and_keeps_the_draft(visit, ada, place):
    thread = await ada.create_thread(title="ours")
    key = await ada.create_key(userId=ada.user, role="owner")
    screen = await visit()
    screen.expects_refusals = True
    await screen.sign_in(ada, key["key"])
    await screen.open_thread(ada, thread)
    await screen.composer.fill("not sent yet")

    await ada.delete_key(key)

    await expect(screen.page.get_by_role("alert")).to_contain_text("signed out")
    await screen.page.get_by_label("Token or API key").fill(ada.token)
    await screen.button("Sign in").click()
    await expect(screen.composer).to_have_value("not sent yet")


async def test_somebody_with_several_organizations_chooses_and_changes(visit, ada, place):
    second = await place.people.owner()
    await second.put_member(ada.user, "member")
    await ada.create_thread(title="in the first")
    await second.with_token().create_thread(title="not mine")
    screen = await visit()
    await screen.follow_link(ada.token)

    await screen.page.get_by_role("button", name=f"Organization {ada.organization}").click()
    await expect(screen.row_titles).to_have_text(["in the first"])
    await screen.page.get_by_label("Organization").select_option(second.organization)

    await expect(screen.page.get_by_text("No threads yet")).to_be_visible()
    await screen.page.reload()
    await expect(screen.page.get_by_label("Organization")).to_have_value(second.organization)


async def test_somebody_without_an_organization_is_told_what_to_do(visit, place):
    screen = await visit()

    await screen.follow_link(place.people.token("uid_nobody_yet"))

    await expect(screen.page.get_by_text("Ask an owner to add you")).to_be_visible()


async def test_a_server_that_is_away_is_said_and_can_be_tried_again(visit, ada):
    screen = await visit(ada)
    await screen.page.route("**/v1/user", lambda route: route.abort("connectionrefused"))
    await screen.page.reload()
    await expect(screen.page.get_by_role("heading", name="No connection")).to_be_visible()

    await screen.page.unroute("**/v1/user")
    await screen.button("Try again").click()

    await expect(screen.page.get_by_text("No threads yet")).to_be_visible()
    screen.forget("ERR_CONNECTION_REFUSED")


async def test_signing_out_signs_out_the_tabs_beside_it_that_stay_signed_in(visit, ada):
    one = await visit(ada)
    await one.page.get_by_label("Stay signed in").check()
    two = await visit(beside=one, thread=await ada.create_thread())

    await two.button("Sign out").click()

    await expect(one.page.get_by_role("alert")).to_contain_text("signed out in another tab")


async def test_a_first_link_says_whom_it_signs_in_as_before_it_does(visit, ada):
    screen = await visit()
    await screen.page.goto(f"{screen.server_url}/#token={ada.token}")

    await expect(screen.dialog).to_contain_text(
        f"This link signs you in as {ada.user}, of “Organization {ada.organization}”."
    )
    assert ada.token not in screen.page.url
    await screen.button("Cancel", screen.dialog).click()

    await expect(screen.page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await screen.page.evaluate(STORED) == [None, None]


def naming(user: str) -> str:
    """A token that no server signed, and that says whose it is all the same."""
    claims = base64.urlsafe_b64encode(json.dumps({"sub": user}).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJIUzI1NiJ9.{claims}.c2lnbmVk"


@pytest.mark.parametrize("stays", [False, True])
@pytest.mark.parametrize("way", ["in a window in use", "in a window that is loaded"])
async def test_a_link_that_the_server_does_not_know_leaves_who_is_signed_in(visit, ada, stays, way):
    screen = await visit(ada, thread=await ada.create_thread(title="being read"))
    if stays:
        await screen.page.get_by_label("Stay signed in").check()
    screen.expects_refusals = True
    stored = await screen.page.evaluate(STORED)

    if way == "in a window in use":
        await screen.page.evaluate("token => { location.hash = `token=${token}`; }", naming(ada.user))
    else:
        await screen.page.goto(f"{screen.server_url}/?anew#token={naming(ada.user)}")

    await expect(screen.toast).to_contain_text("The link did not sign you in.")
    await expect(screen.page.locator(".account")).to_contain_text(ada.user)
    assert await screen.page.evaluate(STORED) == stored
    assert "token" not in screen.page.url
    if way == "in a window in use":
        await expect(screen.page.get_by_role("heading", name="being read")).to_be_visible()


async def test_a_link_that_the_server_does_not_know_signs_nobody_in(visit, ada):
    screen = await visit()
    screen.expects_refusals = True

    await screen.page.goto(f"{screen.server_url}/#token={naming(ada.user)}")

    await expect(screen.page.get_by_role("alert")).to_contain_text("unknown, revoked or expired")
    assert await screen.page.evaluate(STORED) == [None, None]
    assert "token" not in screen.page.url


async def test_a_link_is_tried_again_when_the_server_is_back_and_still_asks(visit, ada):
    screen = await visit()
    await screen.page.route("**/v1/user", lambda route: route.abort("connectionrefused"))
    await screen.page.goto(f"{screen.server_url}/#token={ada.token}")
    await expect(screen.page.get_by_role("heading", name="No connection")).to_be_visible()
    assert "token" not in screen.page.url

    await screen.page.unroute("**/v1/user")
    await screen.button("Try again").click()
    await screen.button("Sign in", screen.dialog).click()

    await expect(screen.threads).to_be_visible()
    screen.forget("ERR_CONNECTION_REFUSED")


async def test_a_token_leaves_the_address_also_while_another_link_asks(visit, ada, place):
    other = await place.people.owner()
    screen = await visit(ada)
    screen.expects_refusals = True
    await screen.page.evaluate("token => { location.hash = `token=${token}`; }", other.token)
    await expect(screen.dialog).to_contain_text(other.user)

    await screen.page.evaluate("token => { location.hash = `token=${token}`; }", naming(ada.user))

    await expect(screen.page).to_have_url(re.compile("^[^#]*(#/.*)?$"))
    await screen.button("Cancel", screen.dialog).click()
    await expect(screen.page.locator(".account")).to_contain_text(ada.user)
