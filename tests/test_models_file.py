"""Which models there are: the settings and the models file, and the sentences about what is wrong in them."""

from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

from support.hearing import ASK, hear
from support.scripted_model import ScriptedModel
from threadkeep.providers import ModelRequest
from threadkeep.providers.catalogue import Catalogue, ModelTable
from threadkeep.providers.echo import Echo
from threadkeep.providers.manners import Manners
from threadkeep.settings import SettingError, Settings

SECRET = "sk-canary-4711"
URL = 'url = "http://127.0.0.1:9/v1"'


def catalogue_of(path: Path, text: str, environment: dict[str, str] | None = None, **settings: str) -> Catalogue:
    file = path / "models.toml"
    file.write_text(text)
    return Catalogue(Settings(models_file=str(file), **settings), environment or {})


def test_without_settings_there_is_echo_alone():
    catalogue = Catalogue(Settings(), {})

    assert (catalogue.names, catalogue.default) == (["echo"], "echo")
    assert isinstance(catalogue.provider("echo")[0], Echo)
    assert not catalogue.known("gpt")


def test_several_models_of_one_server_share_its_connections_and_the_first_is_the_default():
    catalogue = Catalogue(Settings(model_url="http://127.0.0.1:9/v1", model="large, small"), {})

    large, small = catalogue.provider("large"), catalogue.provider("small")

    assert (catalogue.names, catalogue.default) == (["large", "small", "echo"], "large")
    assert (large[1], small[1]) == ("large", "small")
    assert large[0] is small[0]
    assert catalogue.known("echo")


async def test_a_model_of_the_file_is_asked_at_its_server_under_its_servers_name_with_its_key(tmp_path):
    model = await ScriptedModel.start()
    text = f'["gpt-4.1"]\nurl = "{model.url}"\nmodel = "theirs"\nkey_env = "THE_KEY"\n'
    catalogue = catalogue_of(tmp_path, text, {"THE_KEY": SECRET})

    provider, name = catalogue.provider("gpt-4.1")
    heard = await hear(provider, ModelRequest(name, ASK.messages))

    assert heard.text == "Hello world"
    assert model.calls[0].body["model"] == "theirs"
    assert model.calls[0].headers["authorization"] == f"Bearer {SECRET}"
    await catalogue.close()
    await model.stop()


def test_the_first_table_is_the_default_unless_one_says_that_it_is(tmp_path):
    plain = catalogue_of(tmp_path, f"[a]\n{URL}\n[b]\n{URL}\n")
    told = catalogue_of(tmp_path, f"[a]\n{URL}\n[b]\n{URL}\ndefault = true\n")

    assert (plain.default, told.default) == ("a", "b")


def test_what_a_table_says_of_histories_goes_before_what_its_address_suggests(tmp_path):
    url = 'url = "https://api.mistral.ai/v1"'
    catalogue = catalogue_of(tmp_path, f'[a]\n{url}\n[b]\n{url}\nroles = "any"\nreasoning = "never"\n[c]\n{URL}\n')

    assert catalogue.manners("a") == Manners(roles="alternate", call_ids="nine")
    assert catalogue.manners("b") == Manners(call_ids="nine", reasoning="never")
    assert catalogue.manners("c") == Manners()
    assert catalogue.provider("a")[0] is not catalogue.provider("b")[0]


def test_every_key_of_a_table_and_every_word_for_it_stands_in_the_guide():
    guide = (Path(__file__).parents[1] / "docs" / "models.md").read_text()
    hints = get_type_hints(ModelTable)

    for field in msgspec.structs.fields(ModelTable):
        words = [word for kind in get_args(hints[field.name]) for word in get_args(kind)]
        assert f"`{field.name}`" in guide
        assert all(f"`{word}`" in guide for word in words)


def test_a_default_in_the_file_goes_before_the_first_of_the_setting(tmp_path):
    server = {"model_url": "http://127.0.0.1:9/v1", "model": "ours"}
    plain = catalogue_of(tmp_path, f"[a]\n{URL}\n", **server)
    told = catalogue_of(tmp_path, f"[a]\n{URL}\ndefault = true\n", **server)

    assert (plain.default, told.default) == ("ours", "a")
    assert plain.names == ["ours", "a", "echo"]


def test_a_table_for_all_names_answers_for_those_that_have_none_of_their_own(tmp_path):
    catalogue = catalogue_of(tmp_path, f'["*"]\n{URL}\nroles = "alternate"\n[a]\n{URL}\nmodel = "theirs"\n')

    other, own = catalogue.provider("gpt-4o"), catalogue.provider("a")

    assert (other[1], own[1], catalogue.provider("*")[1]) == ("gpt-4o", "theirs", "*")
    assert other[0] is not own[0]
    assert (catalogue.names, catalogue.default, catalogue.takes_any_name) == (["a", "echo"], "a", True)
    assert all(catalogue.known(name) for name in ("a", "gpt-4o", "echo"))
    assert isinstance(catalogue.provider("echo")[0], Echo)
    assert (catalogue.manners("gpt-4o").roles, catalogue.maker("gpt-4o")) == ("alternate", "gpt-4o 127.0.0.1")
    assert (catalogue.shown_as("gpt-4o"), catalogue.shown_as("a")) == ("*", "a")
    assert catalogue.address("gpt-4o") == "http://127.0.0.1:9/v1"


def test_a_table_for_all_names_may_say_which_model_they_all_mean(tmp_path):
    catalogue = catalogue_of(tmp_path, f'["*"]\n{URL}\nmodel = "theirs"\n')

    assert catalogue.provider("gpt-4o")[1] == "theirs"
    assert catalogue.default == "echo"


def test_without_a_table_for_all_names_no_other_is_known(tmp_path):
    catalogue = catalogue_of(tmp_path, f"[a]\n{URL}\n")

    assert (catalogue.known("gpt-4o"), catalogue.takes_any_name, catalogue.address("gpt-4o")) == (False, False, "")
    with pytest.raises(KeyError):
        catalogue.provider("gpt-4o")


WRONG_FILES = {
    "a default for all names": (f'["*"]\n{URL}\ndefault = true', "give it its own table"),
    "no TOML": ("[a\n", "is not TOML"),
    "no UTF-8": ("\udcff", "is not TOML"),
    "no table": ('a = "b"', "A table has url"),
    "no url": ('[a]\nmodel = "b"', "missing required field `url`"),
    "a name with a dot": (f"[gpt-4.1]\n{URL}", "A name with a dot needs quotes."),
    "an unknown key": (f"[a]\n{URL}\ncolour = 1", "A table has url"),
    "a wrong type": ("[a]\nurl = 1", "Expected `str`"),
    "an unknown limit_name": (f'[a]\n{URL}\nlimit_name = "n"', "A table has url"),
    "an unknown word for roles": (f'[a]\n{URL}\nroles = "some"', "A table has url"),
    "an unknown form of ids": (f"[a]\n{URL}\ncall_ids = 9", "A table has url"),
    "two defaults": (f"[a]\n{URL}\ndefault = true\n[b]\n{URL}\ndefault = true", "more than one table has default"),
    "two keys": (f'[a]\n{URL}\nkey = "{SECRET}"\nkey_env = "B"', "has key and key_env"),
    "a key that is not set": (f'[a]\n{URL}\nkey_env = "NOT_SET"', "an environment variable that is not set"),
    "a key of two lines": (f'[a]\n{URL}\nkey = "{SECRET}\\r\\nx: y"', "key must be printable ASCII"),
    "echo": (f"[echo]\n{URL}", "echo is the name of the built-in model"),
    "a name without letters": (f'[""]\n{URL}', "has 1 to 256 characters"),
    "another scheme": ('[a]\nurl = "ftp://127.0.0.1/v1"', "url must be http:// or https://"),
    "no host": ('[a]\nurl = "http:///v1"', "url must be http:// or https://"),
    "no URL": ('[a]\nurl = "http://[::1/v1"', "url is not a URL."),
    "a password in the url": (f'[a]\nurl = "http://me:{SECRET}@127.0.0.1/v1"', "no user, query or fragment"),
    "a query in the url": ('[a]\nurl = "http://127.0.0.1/v1?"', "no user, query or fragment"),
    "the address of a call": (
        '[a]\nurl = "http://127.0.0.1/v1/chat/completions"',
        "leave /chat/completions at its end out",
    ),
    "a port too high": ('[a]\nurl = "http://127.0.0.1:70000/v1"', "url must be http:// or https://"),
}


@pytest.mark.parametrize("name", WRONG_FILES)
def test_a_wrong_file_is_refused_with_its_name_and_what_is_right(name, tmp_path):
    text, sentence = WRONG_FILES[name]
    file = tmp_path / "models.toml"
    file.write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(SettingError) as refused:
        Catalogue(Settings(models_file=str(file)), {})

    assert str(refused.value).startswith(f"THREADKEEP_MODELS_FILE {file}")
    assert sentence in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingError, match="cannot be read"):
        Catalogue(Settings(models_file=str(tmp_path / "none.toml")), {})


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"model_url": "http://127.0.0.1:9/v1"}, "go together"),
        ({"model": "a"}, "go together"),
        ({"model_key": SECRET}, "go together"),
        ({"model_url": "127.0.0.1:9/v1", "model": "a"}, "THREADKEEP_MODEL_URL must be http:// or https://"),
        ({"model_url": "http://127.0.0.1/", "model": "a", "model_key": f"{SECRET} x"}, "THREADKEEP_MODEL_KEY must be"),
        ({"model_url": "http://127.0.0.1/", "model": "echo"}, "echo is the name of the built-in model"),
        ({"model_url": "http://127.0.0.1/", "model": "a,*"}, 'a table ["*"] in THREADKEEP_MODELS_FILE'),
        ({"model_url": "http://127.0.0.1/", "model": "a,a"}, "named already"),
    ],
)
def test_wrong_settings_are_refused_with_what_is_right(settings, sentence):
    with pytest.raises(SettingError) as refused:
        Catalogue(Settings(**settings), {})

    assert sentence in str(refused.value)
    assert SECRET not in str(refused.value)


def test_a_name_has_one_server(tmp_path):
    with pytest.raises(SettingError, match="named already"):
        catalogue_of(tmp_path, f"[a]\n{URL}", model_url="http://127.0.0.1:9/v1", model="a")
