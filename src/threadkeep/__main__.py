"""Where `threadkeep` and `python -m threadkeep` begin. It imports nothing itself: Ctrl-C is met while others load."""

CANCELLED = 130


def main() -> None:
    try:
        from threadkeep import cli

        cli.main()
    except KeyboardInterrupt:
        raise SystemExit(CANCELLED) from None


if __name__ == "__main__":
    main()
