"""Bugs of the page, and of what is deleted: texts that become elements, and words that stay."""

from proof.bug import Bug, Edit

WEAK_POLICY = Edit(
    "server/pages.py",
    'response.headers["Content-Security-Policy"] = text_policy(whole)\n',
    'response.headers["Content-Security-Policy"] = (\n'
    "        \"default-src * 'unsafe-inline' data:; script-src 'self' 'unsafe-inline'\"\n    )\n",
)
INNER_HTML = Edit(
    "web/markdown.js",
    "  const fragment = DOMPurify.sanitize(markdown.renderer.render(tokens, markdown.options, context), CLEAN);\n",
    '  const template = document.createElement("template");\n'
    "  template.innerHTML = markdown.renderer.render(tokens, markdown.options, context);\n"
    "  const fragment = template.content;\n",
)
RAW_HTML = Edit("web/markdown.js", "new MarkdownIt({ html: false,", "new MarkdownIt({ html: true,")
PICTURES = (
    Edit("web/markdown.js", "markdown.renderer.rules.image = renderImage;\n", ""),
    Edit("web/markdown.js", '"h6", "hr", "li",', '"h6", "hr", "img", "li",'),
    Edit("web/markdown.js", 'ALLOWED_ATTR: ["href",', 'ALLOWED_ATTR: ["src", "href",'),
)

BUGS = [
    Bug(
        "innerHTML with a text's own HTML, and a policy that lets it run (the policy alone would stop it)",
        (INNER_HTML, RAW_HTML, WEAK_POLICY),
        ("P21",),
        databases=("sqlite",),
    ),
    Bug(
        "remote images are let through by the sanitiser, and by the policy (which alone would stop them)",
        (*PICTURES, WEAK_POLICY),
        ("P21",),
        databases=("sqlite",),
    ),
    Bug(
        "remote images are let through by the sanitiser, though not by the policy",
        PICTURES,
        ("P21",),
        databases=("sqlite",),
    ),
    Bug(
        "the deletion of a thread forgets the events of its responses",
        (
            Edit(
                "operations/upkeep/sweeping_responses.py",
                "        await tx.fetch(DELETE_EVENTS, its)\n        await tx.fetch(DELETE, its)",
                "        await tx.fetch(DELETE, its)",
            ),
        ),
        ("P18",),
    ),
    Bug(
        "the deletion of a thread forgets its stored answers",
        (
            Edit(
                "operations/threads/threads.py",
                "    await idempotency.empty_threads(tx, [each.key for each in gone])\n",
                "",
            ),
        ),
        ("P18",),
    ),
    Bug(
        "SQLite does not overwrite what it deletes (secure_delete off)",
        (Edit("database/sqlite.py", '"secure_delete = on"', '"secure_delete = off"'),),
        ("P18",),
        databases=("sqlite",),
    ),
]
