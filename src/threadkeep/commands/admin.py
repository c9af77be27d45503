"""`threadkeep admin`: organizations, members, keys and tokens, on the database itself, also while a server runs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from threadkeep import ids
from threadkeep.commands.shared import DatabaseOption, JsonOption, fail, print_result, settings_for
from threadkeep.ids import new_id
from threadkeep.scope import Role

if TYPE_CHECKING:
    from threadkeep.database.driver import Database

NAME_CHARACTERS_MAX = 256
HOURS_DEFAULT = 24 * 30
HOURS_MAX = 24 * 366

app = typer.Typer(
    no_args_is_help=True, help="Create organizations, members, keys and tokens. Works while a server runs."
)

OrganizationOption = Annotated[str, typer.Option("--organization", help="The organization's id.")]
UserOption = Annotated[str, typer.Option("--user", help="The user's id, for example uid_user123.")]
RoleOption = Annotated[Role, typer.Option("--role", help="member, admin or owner.")]


def run(database_url: str | None, work: "Callable[[Database], Awaitable[Any]]") -> Any:
    """Open the database, do `work`, close it. Any: each command has its own result."""
    from threadkeep.database import open_database

    async def inside() -> Any:
        database = await open_database(settings_for(database_url), serving=False)
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(inside())


@app.command(epilog="Example: threadkeep admin create-organization Acme --id ORG_ACME --owner uid_ada")
def create_organization(
    name: Annotated[str, typer.Argument(help="What people call it.")],
    id: Annotated[str | None, typer.Option("--id", help="Its id; made up if left out.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="The user id of its first owner.")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an organization."""
    from threadkeep.operations.organizations import administration

    check_id("--id", id)
    check_id("--owner", owner)
    check_name("NAME", name)
    created = run(database, lambda db: db.write(administration.create_organization, id or new_id("ORG"), name, owner))
    print_result({"id": created}, as_json)


@app.command("list", epilog="Example: threadkeep admin list --json")
def list_all(
    organization: Annotated[str | None, typer.Option("--organization", help="This organization alone.")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the organizations with their members and keys, without secrets. It helps after credentials were lost."""
    from threadkeep.commands.showing import one_line, print_json
    from threadkeep.operations.organizations import administration

    check_id("--organization", organization)
    for each in run(database, lambda db: db.read(administration.list_all, organization)):
        if as_json:
            print_json(each)
            continue
        typer.echo(f"{each['id']}  {one_line(each['name'])}")
        for member in each["members"]:
            typer.echo(f"  {member['role']:6}  {member['userId']}")
        for key in each["keys"]:
            typer.echo(f"  key     {key['id']}  {key['role']} {key['userId']}  {one_line(key['name'] or '')}".rstrip())


@app.command(epilog="Example: threadkeep admin create-member --organization ORG_ACME --user uid_ben --role member")
def create_member(
    organization: OrganizationOption,
    user: UserOption,
    role: RoleOption,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a user a member, or change a member's role."""
    from threadkeep.operations.organizations import administration

    check_id("--user", user)
    member = run(database, lambda db: db.write(administration.create_member, organization, user, role))
    print_result(
        {"organizationId": member.organization_id, "userId": member.user_id, "role": member.role.value}, as_json
    )


@app.command(
    epilog="Example: threadkeep admin create-key --organization ORG_ACME --user uid_ada --role owner --name backend"
)
def create_key(
    organization: OrganizationOption,
    user: UserOption,
    role: RoleOption,
    name: Annotated[str | None, typer.Option("--name", help="What the key is for.")] = None,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an API key. It is shown this once."""
    from threadkeep.operations.organizations import administration

    check_id("--user", user)
    if name is not None:
        check_name("--name", name)
    created = run(database, lambda db: db.write(administration.create_key, organization, user, role, name))
    print_result({"id": created.id, "key": created.key}, as_json)


@app.command(epilog="Example: threadkeep admin revoke-key key_01m83e1pf8fctsytf9ppk22sey")
def revoke_key(
    key_id: Annotated[str, typer.Argument(help="The key's id: key_….")],
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revoke an API key: every process refuses it within 10 seconds."""
    from threadkeep.operations.organizations import administration

    print_result({"id": run(database, lambda db: db.write(administration.revoke_key, key_id))}, as_json)


@app.command(epilog="Example: threadkeep admin create-token --user uid_ada --hours 24")
def create_token(
    user: UserOption,
    hours: Annotated[int, typer.Option("--hours", min=1, max=HOURS_MAX, help="How long it is valid.")] = HOURS_DEFAULT,
    database: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create a user token, which stands for a signed-in person. It works once the user is a member somewhere."""
    from threadkeep.database import is_sqlite, sqlite_path
    from threadkeep.operations.organizations.credentials import find_memberships
    from threadkeep.server.tokens import make_token, server_secret

    check_id("--user", user)
    settings = settings_for(database)
    path = sqlite_path(settings) if is_sqlite(settings) else None
    memberships = run(database, lambda db: db.read(find_memberships, user))
    token = make_token(server_secret(settings, path, makes_one=False), user, hours * 3600)
    print_result({"token": token}, as_json)
    if not memberships:
        typer.echo(
            f"{user} is a member of no organization, so this token opens nothing yet: see `threadkeep admin "
            "create-member --help`.",
            err=True,
        )
    if not as_json:
        typer.echo(
            f"\nIt opens the page as this user; put your server's address in front: http://127.0.0.1:8000/#token={token}"
        )


def check_id(option: str, value: str | None) -> None:
    if value is not None and not ids.OPAQUE.fullmatch(value):
        fail(f"{option} takes 1 to 128 of A-Z a-z 0-9 _ . : @ | -")


def check_name(option: str, value: str) -> None:
    if not 1 <= len(value) <= NAME_CHARACTERS_MAX or "\0" in value:
        fail(f"{option} takes 1 to {NAME_CHARACTERS_MAX} characters.")
