"""Commands that make a workspace and bring deliveries to it."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from cartbrook.cli.options import HERE, Workspace, command
from cartbrook.cli.output import note, say
from cartbrook.errors import CartbrookError, ConfigError, InputError, counted


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The workspace; made if it is not there.", file_okay=False)],
) -> None:
    """Make a workspace: folders, a settings file, empty tables. Calling it again changes nothing."""
    from cartbrook import pipeline
    from cartbrook.cli.settings_file import write_settings_file

    existed = (folder / "lake" / "ops" / "publications" / "_delta_log").is_dir()
    folder.mkdir(parents=True, exist_ok=True)
    wrote = write_settings_file(folder)
    with pipeline.open_lake(folder, create=True) as lake:
        pipeline.init(lake)
    if existed:
        say(f"{folder.resolve()} is a workspace already; its tables stay as they are.")
        return
    say(f"Made the workspace {folder.resolve()}{' with the settings file cartbrook.yaml' if wrote else ''}.")
    say(f"Next: {command(folder, 'submit', 'TRIGGER.json')}, then {command(folder, 'run')}")


def submit(
    triggers: Annotated[
        list[Path], typer.Argument(metavar="TRIGGER.json...", help="With their files beside them.", dir_okay=False)
    ],
    workspace: Workspace = HERE,
    *,
    supersede: Annotated[
        bool, typer.Option("--supersede", help="They take the place of published batches of their ids, with corrected files.")
    ] = False,
) -> None:
    """Copy triggers and the files beside them into the landing folders; `run` then takes them in."""
    from cartbrook.contracts.trigger import parse_trigger
    from cartbrook.lake import intake
    from cartbrook.lake.places import Places

    places = Places(workspace.resolve())
    places.require()
    failed = 0
    for path in triggers:
        try:
            trigger = parse_trigger(_content(path), path.name)
            intake.submit(places, path, trigger, supersede=supersede)
        except CartbrookError as error:
            failed += 1
            note(f"Error: {error}")
        else:
            say(f"{trigger.trigger_id}: {counted(len(trigger.files), 'file')} submitted")
    if failed < len(triggers):
        say(f"Next: {command(workspace, 'run')}")
    raise typer.Exit(1 if failed else 0)


def supersede(
    triggers: Annotated[
        list[Path], typer.Argument(metavar="TRIGGER.json...", help="With their corrected files beside them.", dir_okay=False)
    ],
    workspace: Workspace = HERE,
) -> None:
    """Hand in corrected files under the id of a published batch; the same as `submit --supersede`."""
    submit(triggers, workspace, supersede=True)


def generate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where triggers and files are written.", file_okay=False)],
    *,
    days: Annotated[int, typer.Option(help="Number of batches, one a day.")] = 7,
    orders: Annotated[int, typer.Option(help="Orders on an average day.")] = 40,
    customers: Annotated[int, typer.Option(help="Customers at the start.")] = 60,
    products: Annotated[int, typer.Option(help="Products at the start.")] = 30,
    warehouses: Annotated[int, typer.Option(help="Each holds every product.")] = 3,
    first_day: Annotated[str, typer.Option(metavar="DATE", help="batch_date of the first batch.")] = "2025-03-01",
    currency: Annotated[list[str] | None, typer.Option(help="USD unless given; repeat for several.")] = None,
    seed: Annotated[int, typer.Option(help="The same seed and options write the same bytes.")] = 7,
    defects: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SHARE|KIND=SHARE", help="Share of rows with a defect (0.02 unless given), or of kinds: bad_amount=0.1"
        ),
    ] = None,
    late: Annotated[float, typer.Option(help="Share of orders and changes that come 1 to 3 batches late.")] = 0.02,
    repeated: Annotated[float, typer.Option(help="Share of records that are delivered once more.")] = 0.01,
    changed: Annotated[float, typer.Option(help="Share of customers and products that change each day.")] = 0.02,
    declare: Annotated[bool, typer.Option("--declare", help="Triggers declare the rows and sha256 of their files.")] = False,
) -> None:
    """Write the deliveries of a made-up shop, with as many defects as asked for, ready for `submit`."""
    from cartbrook.shop import ShopPlan, write_deliveries

    plan = ShopPlan(
        seed=seed,
        days=days,
        first_day=_day(first_day),
        orders_per_day=orders,
        customers=customers,
        products=products,
        warehouses=warehouses,
        currencies=tuple(currency or ["USD"]),
        defects=_shares(defects),
        late=late,
        repeated=repeated,
        changed=changed,
    )
    triggers = write_deliveries(plan, folder, declare=declare)
    say(f"{len(triggers)} deliveries in {folder.resolve()}; planted.json lists their defects.")
    say(f"Next: cartbrook submit {folder}/trigger_*.json -w WORKSPACE")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InputError("missing_trigger", f"{path}: {reason}.", hint="Nothing of it was submitted.") from None


def _day(text: str) -> dt.date:
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--first-day {text}: this is no day.", hint="Such as 2025-03-01.") from None


def _shares(texts: list[str] | None) -> dict[str, float] | float:
    """One share for all kinds, or a share by kind."""
    try:
        if not texts:
            return 0.02
        if len(texts) == 1 and "=" not in texts[0]:
            return float(texts[0])
        pairs = [text.split("=") for text in texts]
        return {kind: float(share) for kind, share in pairs}
    except ValueError:
        hint = "--defects 0.02, or --defects bad_amount=0.1 --defects ragged_row=0.05"
        raise ConfigError(f"--defects {' '.join(texts or ())}: expected a share, or KIND=SHARE.", hint=hint) from None
