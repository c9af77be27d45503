"""What `threadkeep serve` shows on its first start: credentials, the page's link, and a tour that works as printed."""

import sys
from contextlib import suppress
from pathlib import Path

from threadkeep.database import is_sqlite, sqlite_path
from threadkeep.files import write_private
from threadkeep.operations.organizations.administration import FirstRun
from threadkeep.settings import SettingError, Settings

FIRST_RUN_FILE = "threadkeep-first-run.txt"

GUIDE = '{"name": "Guide", "instructions": "Answer in one sentence."}'
# The shell inserts the assistant's id between two quoted strings.
QUESTION = """{"thread": {"id": "thread_hello", "assistantId": "'$ASSISTANT'"}, "stream": true,
        "input": "How do I bake bread?"}"""


def text(url: str, created: FirstRun, token: str) -> str:
    return f"""\
The database is new. It has an organization and an owner now; their credentials are shown this once:

  organization  {created.organization_id}
  owner         {created.user_id}
  API key       {created.key}
  user token    {token}

Read and write threads in a browser (the link signs in whoever opens it, so keep it to yourself):

  {url}/#token={token}

Or in a terminal. Make an assistant, and stream its answer in a new thread (the built-in echo answers, until
THREADKEEP_MODEL_URL names a model):

  ASSISTANT=$({curl(url, created.key, "/v1/assistants", GUIDE)} | grep -o 'asst_[0-9a-z]*')

  {curl(url, created.key, "/v1/responses", QUESTION, "-N")}

Name the thread, and list what there is:

  {curl(url, created.key, "/v1/threads/thread_hello/generateName", "{}")}

  curl -s {url}/v1/threads -H 'X-API-Key: {created.key}'

More organizations, members, keys and tokens: {program()} admin --help
"""


def curl(url: str, key: str, path: str, body: str, options: str = "-s") -> str:
    return f"""curl {options} {url}{path} \\
    -H 'X-API-Key: {key}' -H 'Content-Type: application/json' \\
    -d '{body}'"""


def program() -> str:
    """Return the name that this program was called by, so that printed commands work."""
    return sys.argv[0] if Path(sys.argv[0]).name == "threadkeep" else "python -m threadkeep"


def show(shown: str, organization_id: str, settings: Settings) -> None:
    """Print secrets to a terminal; otherwise write them to a file that only its owner can read.

    If the file exists, it may belong to another service: the file is then named after the organization.
    Raises SettingError if neither works.
    """
    if sys.stdout is not None and sys.stdout.isatty():
        print(shown, flush=True)
        return
    folder = sqlite_path(settings).parent if is_sqlite(settings) else Path()
    path = (folder / FIRST_RUN_FILE).absolute()
    if path.is_file():
        path = path.with_stem(f"{path.stem}-{organization_id}")
    try:
        write_private(path, shown)
    except OSError as error:
        raise SettingError(
            f"The first credentials cannot be written to {path} ({error.strerror}), so none were made: start "
            "threadkeep in a folder where it may write, or in a terminal, which shows them."
        ) from error
    with suppress(OSError):  # The file is written: a failed notice about it must not undo that.
        print(f"The database is new. Its first credentials are in {path}; read them, then delete the file.", flush=True)
