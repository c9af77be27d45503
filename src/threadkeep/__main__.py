"""The entry point of `threadkeep` and `python -m threadkeep`. `main` does the imports, to catch Ctrl-C in them."""

CANCELLED = 130


def main() -> None:
    try:
        from threadkeep import cli

        cli.main()
    except KeyboardInterrupt:
        raise SystemExit(CANCELLED) from None


if __name__ == "__main__":
    main()
