"""The command line: words to calls, no logic."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as Grid

from bench import (
    agreement,
    boards,
    cleaning,
    conformance,
    display,
    exports,
    fits,
    hub,
    leaderboard,
    pinning,
    pins,
    plots,
    published,
    scaffold,
    submission,
    suite,
)
from bench import groups as grouping
from bench import publish as publishing
from bench.answers_page import MOST, answers_page
from bench.errors import FacebenchError, UnknownName, WrongUse
from bench.metrics import METRICS
from bench.plugins import Plugin, Registry, discover
from bench.suites import SUITES
from bench.tasks import TASKS
from bench.terminal import escape

app = typer.Typer(
    help="Ask published face-analysis methods the same frozen questions.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
MISSED_SHOWN = 10
PUBLISHED = ("method", "results", "pages", "fits")
KINDS = ("tasks", "protocols", "methods", "plugins", "metrics", "suites")

Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, nothing else there.")]
Data = Annotated[Path | None, typer.Option(help="Folder that holds one folder a data set; by default FACEBENCH_DATA.")]
Models = Annotated[
    Path | None, typer.Option(help="Folder that holds one folder of weights a method; by default FACEBENCH_MODELS.")
]
Out = Annotated[Path, typer.Option(help="Where runs are kept, and gone on with.")]


def main() -> None:
    """Run the command line; errors of ours are shown as their lines, with exit status 2 for wrong use, else 1."""
    try:
        app(standalone_mode=True)
    except FacebenchError as error:
        _stderr().print(f"[bold red]error:[/] {escape(str(error))}", soft_wrap=True, highlight=False)
        sys.exit(2 if isinstance(error, WrongUse) else 1)
    except SystemExit as ended:  # typer turns Ctrl-C into status 130 and a closed pipe into 1
        if ended.code == 130:
            _stderr().print("\nStopped. The same command goes on from what is on disk.")
        sys.exit(0 if isinstance(ended.__context__, BrokenPipeError) else ended.code)


def _stderr() -> Console:
    return Console(stderr=True)


def _print_json(value: Any) -> None:
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in fields(value)}
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    return getattr(value, "__name__", None) or str(value)


@app.command("list")
def list_(
    kind: Annotated[str | None, typer.Argument(help="tasks, protocols, methods, plugins, metrics or suites")] = None,
    as_json: Json = False,
) -> None:
    """Show what there is: tasks, protocols, methods, plugins, metrics, suites."""
    if kind is not None and kind not in KINDS:
        raise UnknownName.of("listing", kind, KINDS, "facebench list")
    found = {name: _listed(name, discover()) for name in ((*KINDS[:4], "suites") if kind is None else (kind,))}
    if as_json:
        _print_json(found if kind is None else found[kind])
        return
    console = Console()
    for name, rows in found.items():
        console.print(f"[bold]{name}[/] ({len(rows)})" if kind is None else "", end="\n" if kind is None else "")
        grid = Grid(box=None, pad_edge=False, show_header=False)
        grid.add_column(no_wrap=True, min_width=max((len(next(iter(row.values()))) for row in rows), default=0))
        for _ in list(rows[0] if rows else ())[1:]:
            grid.add_column(overflow="fold")
        for row in rows:
            grid.add_row(*(escape(str(cell)) for cell in row.values()))
        console.print(grid if rows else "  none yet")


def _listed(kind: str, registry: Registry) -> list[dict[str, str]]:
    if kind == "tasks":
        return [{"name": t.name, "about": t.about} for t in TASKS.values()]
    if kind == "protocols":
        asked = [p for _, p in sorted(registry.protocols.items())]
        return [{"name": p.name, "inputs": p.inputs, "about": p.about.partition(";")[0]} for p in asked]
    if kind == "methods":
        rows = [(name, method) for name, (method, _) in sorted(registry.methods.items())]
        return [
            {"name": n, "inputs": ", ".join(sorted(m.inputs)), "licence": m.licence, "about": m.about} for n, m in rows
        ]
    if kind == "plugins":
        return [{"name": f"{p.distribution} {p.version}", "kind": p.kind, "state": _state(p)} for p in registry.plugins]
    if kind == "metrics":
        return [{"name": m.name, "better": m.better, "about": m.about or m.cite} for m in METRICS.values()]
    return [{"name": s.name, "about": s.about} for s in SUITES.values()]


def _state(plugin: Plugin) -> str:
    if plugin.cause:
        return f"in quarantine: {plugin.cause}"
    return ", ".join([m.name for m in plugin.methods] + [p.name for p in plugin.protocols]) or "brings nothing"


@app.command()
def show(name: str, as_json: Json = False) -> None:
    """Show all that is known of a protocol, method, task, metric or plugin."""
    registry = discover()
    things: dict[str, Any] = {**METRICS, **TASKS, **SUITES, **registry.protocols}
    things |= {plugin.distribution: plugin for plugin in registry.plugins}
    things |= {n: method for n, (method, _) in registry.methods.items()}
    if name not in things:
        raise UnknownName.of("name", name, things, "facebench list")
    thing = things[name]
    card = {f.name: getattr(thing, f.name) for f in fields(thing)}
    if name in registry.protocols:
        card |= {"digest": thing.digest, "task": thing.task.name, "metrics": [m.name for m in thing.metrics]}
        card |= {"roles": thing.task.roles}
        card |= {"limits": thing.task.limits, "official trials": card.pop("trials_sha256")}
        del card["read"]
    if as_json:
        _print_json(card)
        return
    grid = Grid(box=None, pad_edge=False, show_header=False)
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, value in card.items():
        grid.add_row(key, escape(display.words(value)))
    Console().print(grid)


def _batch(text: str) -> int | None:
    if text == "auto":
        return None
    if not (text.isascii() and text.isdigit()):
        raise WrongUse(f"--batch-size {text} was asked for.", "It is a number or auto.")
    return int(text)


def _roles(given: list[str]) -> dict[str, list[str]]:
    roles: dict[str, list[str]] = {}
    for text in given:
        role, sign, methods = text.partition("=")
        if not sign or not role or not methods:
            raise WrongUse(f"--role {text} was asked for.", "It is ROLE=METHOD; one that has several is given again.")
        roles.setdefault(role, []).extend(methods.split(";"))
    return roles


def _memory(text: str | None) -> int | None:
    return None if text is None else _bytes("--memory", text)


def _bytes(option: str, text: str) -> int:
    units = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}
    number = text.lower().removesuffix("b")
    unit = number.lstrip("0123456789.")
    try:
        return int(float(number.removesuffix(unit)) * units[unit])
    except (ValueError, KeyError, OverflowError):
        raise WrongUse(f"{option} {text} was asked for.", "It is a size such as 4GB or 500MB.") from None


@app.command()
def run(
    protocol: Annotated[list[str], typer.Argument(help="What to ask, or a suite: 'facebench list'.")],
    method: Annotated[list[str], typer.Option(help="Whom to ask, one cell each: NAME or NAME:option=value,…")] = [],  # noqa: B006
    role: Annotated[list[str], typer.Option(help="ROLE=METHOD; again for each role, or each method in it.")] = [],  # noqa: B006
    batch_size: Annotated[
        str, typer.Option(help="Records a call, or auto: the method's own, less where memory is short.")
    ] = "auto",
    threads: Annotated[int | None, typer.Option(help="Threads a worker; by default the cores, shared out.")] = None,
    data: Data = None,
    models: Models = None,
    out: Out = Path("runs"),
    limit: Annotated[int | None, typer.Option(help="Only so many trials; such a result goes on no board.")] = None,
    seed: Annotated[int, typer.Option(help="For methods that draw at random.")] = 0,
    device: Annotated[str, typer.Option(help="Given to the method: cpu, cuda, …")] = "cpu",
    workers: Annotated[int, typer.Option(help="Processes that share one cell's samples.")] = 1,
    memory: Annotated[str | None, typer.Option(help="Most memory a worker may hold, such as 4GB.")] = None,
    patience: Annotated[
        float | None, typer.Option(help="Seconds to wait for a method's answer; then its cell ends. By default any.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit, ask, judge and score; a stopped run goes on, a finished one is read."""
    settings: dict[str, Any] = {
        "batch_size": _batch(batch_size),
        "threads": threads,
        "data": data,
        "models": models,
        "out": out,
        "limit": limit,
        "seed": seed,
        "device": device,
        "workers": workers,
        "memory": _memory(memory),
        "patience": patience,
    }
    named = [name for name in protocol if name in SUITES]
    if named and (len(protocol) > 1 or method or role):
        raise WrongUse(f"{named[0]} was to be run.", "A suite brings its own methods.", f"facebench run {named[0]}")
    with display.Progress(quiet=as_json) as progress:
        if named:
            cells = suite.run_suite(named[0], progress=progress, **settings)
        else:
            cells = suite.run_cells(protocol, method, roles=_roles(role), progress=progress, **settings)
        outcomes = []
        for outcome in cells:
            outcomes.append(outcome)
            progress.clear()
            if outcome.error is not None and not outcome.skipped:
                label = f"{outcome.protocol} {outcome.methods}"
                progress.print(f"[bold red]failed:[/] {escape(label)}\n{escape(str(outcome.error))}")
    done = [o.result for o in outcomes if o.result is not None]
    if as_json:
        _print_json([asdict(result) for result in done])
    else:
        if named:
            display.show_boards(outcomes)
        for result in [] if named else done:
            display.show_result(result)
        display.show_places(outcomes, out)
    if any(o.error is not None and not o.skipped for o in outcomes):
        raise typer.Exit(1)


@app.command()
def prepare(
    protocol: Annotated[str, typer.Argument(help="One whose inputs are raw: 'facebench list protocols'.")],
    align: Annotated[str, typer.Option(help="An aligner, or NAME-table for landmarks_NAME.csv of the data set.")],
    threads: Annotated[int | None, typer.Option(help="Threads a worker; by default the cores, shared out.")] = None,
    workers: Annotated[int, typer.Option(help="Processes that share the images.")] = 1,
    data: Data = None,
    models: Models = None,
    out: Out = Path("runs"),
    limit: Annotated[int | None, typer.Option(help="Only the images of so many trials.")] = None,
    as_json: Json = False,
) -> None:
    """Cut the faces out of raw images; 'run' with align=NAME and the same --out goes on from it."""
    with display.Progress(quiet=as_json) as progress:
        made = suite.prepare(
            protocol,
            align,
            data=data,
            models=models,
            out=out,
            progress=progress,
            threads=threads,
            workers=workers,
            limit=limit,
        )
    if as_json:
        _print_json(asdict(made))
        return
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{made.images - len(made.missed):,} of {made.images:,} faces cut out, {len(made.missed):,} missed")
    for missed in made.missed[:MISSED_SHOWN]:
        console.print(f"  {escape(missed)}")
    if made.missed[MISSED_SHOWN:]:
        console.print(f"  … and {len(made.missed) - MISSED_SHOWN:,} more, in prepared.json")
    console.print(f"sha256 {made.sha256}\n{escape(str(made.folder))}/")


@app.command()
def score(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN|RESULT|PROTOCOL", help="A run's folder, a board's JSON, or a protocol with --answers."
        ),
    ],
    answers: Annotated[Path | None, typer.Option(help="CSV or parquet of answers made elsewhere.")] = None,
    truth: Annotated[Path | None, typer.Option(help="The truth, for a protocol over tables: spotting/table.")] = None,
    name: Annotated[str, typer.Option(help="What to call them.")] = "external",
    data: Data = None,
    out: Out = Path("runs"),
    as_json: Json = False,
) -> None:
    """Score a finished run or a result on a board again, or answers made elsewhere."""
    if answers is None:
        result, folder = suite.score_run(what), Path(what)
    else:
        result, folder = suite.score_answers(what, answers, name=name, truth=truth, data=data, out=out)
    if as_json:
        _print_json(asdict(result))
    else:
        display.show_result(result)
        Console(soft_wrap=True).print(f"{escape(str(folder))}/")


@app.command()
def rank(
    folder: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR…]", help="Runs or boards; by default leaderboards.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; fail where a board is not what its files give.")
    ] = False,
    into: Annotated[Path | None, typer.Option(help="Copy official results into this folder of boards.")] = None,
    as_json: Json = False,
) -> None:
    """Rank results; write the pages of boards, or check them."""
    folders = folder or [Path("leaderboards")]
    if check:
        faults = [fault for one in folders for fault in boards.check_boards(one)]
        for fault in faults:
            _stderr().print(escape(fault), soft_wrap=True, highlight=False)
        if faults:
            raise typer.Exit(1)
        _stderr().print("Every board is what its results and trials give.")
        return
    if into is not None:
        written = boards.into_boards(boards.read_results(folders), into)
        folders = [into]
        _stderr().print(f"{len(written)} results are in {escape(str(into))}.")
    entries = boards.read_results(folders)
    ranked = boards.rank(entries)
    if as_json:
        _print_json({name: _board_json(board) for name, board in ranked.items()})
    else:
        for board in ranked.values():
            display.show_board(board)
    for one in folders:
        if not boards.holds_runs(one):
            for path in boards.write_boards(one):
                _stderr().print(f"wrote {escape(str(path))}", soft_wrap=True)


def _board_json(board: leaderboard.Board) -> dict[str, Any]:
    rows = [
        {"first": r.first, "last": r.last, "path": str(r.entry.path), "result": asdict(r.entry.result)}
        for r in board.rows
    ]
    return {"rows": rows, "apart": [{"path": str(e.path), "why": why} for e, why in board.apart]}


@app.command()
def compare(
    first: Path,
    second: Path,
    pairs: Annotated[int, typer.Option(min=0, help="List so many of the trials they decide differently.")] = 0,
    as_json: Json = False,
) -> None:
    """Paired differences of two results on the same trials, and the trials that only one decides rightly."""
    rows, apart = boards.compare(first, second), boards.disagree(first, second)
    if as_json:
        decisions = None if apart is None else asdict(apart)
        _print_json({"differences": [asdict(row) for row in rows], "decisions": decisions})
    else:
        display.show_comparison(rows, apart, pairs)


@app.command()
def plot(
    results: Annotated[list[Path], typer.Argument(metavar="RUN|RESULT…", help="Runs or results, trials beside them.")],
    out: Annotated[Path | None, typer.Option(help="Where the files go; a single run's go into its folder.")] = None,
    form: Annotated[str, typer.Option("--format", help="svg or png.")] = "svg",
    as_json: Json = False,
) -> None:
    """Draw DET, ROC and scores, or CMC and FNIR; several results over each other."""
    written = plots.plot(results, out, form)
    if as_json:
        _print_json([str(path) for path in written])
        return
    for path in written:
        Console(soft_wrap=True, highlight=False).print(escape(str(path)))


@app.command()
def answers(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A finished run that was asked in words.")],
    only: Annotated[str, typer.Option(help="all, wrong, or unread: what no label was read out of.")] = "all",
    most: Annotated[int, typer.Option(help="So many pictures.", min=1)] = MOST,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write a page of what a model answered, for this machine only."""
    page = answers_page(run, only, most, data)
    if as_json:
        _print_json(str(page))
        return
    Console(soft_wrap=True, highlight=False).print(escape(str(page)))


@app.command()
def groups(
    run: Annotated[Path, typer.Argument(metavar="RUN|RESULT", help="A run or a result, its trials beside it.")],
    table: Annotated[Path, typer.Option(help="CSV of attributes, a row an image.")],
    by: Annotated[str, typer.Option(help="The column whose values are the groups.")],
    name_column: Annotated[str, typer.Option(help="The column of the images' names as the owner has them.")] = "name",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Error rates by group of an attribute table.

    A group is a label in somebody's table and no fact about a person.
    Data for benchmarks are no sample of people, so these rates say little
    of people at large. Only counts and rates are printed.
    """
    found = grouping.by_group(run, table, by, name_column, data)
    if as_json:
        _print_json(asdict(found))
    else:
        display.show_groups(found)


@app.command()
def audit(
    result: Annotated[str, typer.Argument(metavar="RESULT|OWNER/NAME[@REV]", help="A result, or boards of the Hub.")],
    rerun: Annotated[int, typer.Option(min=0, help="Of boards on the Hub: ask so many cells again.")] = 0,
    data: Data = None,
    models: Models = None,
    as_json: Json = False,
) -> None:
    """Recompute scores from their trials and check results against their protocols."""
    local = Path(result).exists() or not hub.REPOSITORY.fullmatch(result.partition("@")[0])
    if local:
        findings = [published.Finding("", what, fault) for what, fault in boards.audit(result)]
    else:
        fetched = published.fetch(result)
        findings = list(published.audit(fetched))
        with display.Progress(quiet=as_json) as progress:
            findings += published.rerun(fetched, rerun, data=data, models=models, progress=progress)
    if as_json:
        told = ("check", "fault") if local else ("place", "check", "fault", "skipped")
        _print_json([{key: getattr(finding, key) for key in told} for finding in findings])
    else:
        _show_findings(findings)
    if any(finding.fault for finding in findings):
        raise typer.Exit(1)


def _show_findings(findings: list[published.Finding]) -> None:
    console, place = Console(soft_wrap=True, highlight=False), ""
    for found in findings:
        if found.place != place:
            place = found.place
            console.print(f"[bold]{escape(place)}[/]")
        mark = "[red]fault[/]" if found.fault else "[yellow]skipped[/]" if found.skipped else "[green]holds[/]"
        why = f": {escape(found.fault or found.skipped)}" if found.fault or found.skipped else ""
        console.print(f"{mark}  {escape(found.check)}{why}")


@app.command()
def check(
    what: Annotated[str, typer.Argument(metavar="METHOD|FOLDER", help="A method, or a plugin's folder.")],
    models: Models = None,
    as_json: Json = False,
) -> None:
    """Check that a method plays by the rules; exit status 1 where it breaks one."""
    outcomes = list(conformance.check(what, models))
    if as_json:
        _print_json([{"method": who, **asdict(outcome)} for who, outcome in outcomes])
    else:
        colours = {"passed": "green", "failed": "bold red"}
        for method in dict.fromkeys(who for who, _ in outcomes):
            grid = display.grid_of("check", "state", "message")
            for outcome in (outcome for who, outcome in outcomes if who == method):
                colour = colours.get(outcome.state, "yellow")
                grid.add_row(outcome.check, f"[{colour}]{outcome.state}[/]", escape(outcome.message))
            Console().print(f"\n[bold]{escape(method)}[/]", grid, sep="\n", highlight=False)
    if any(outcome.state == "failed" for _, outcome in outcomes):
        raise typer.Exit(1)


@app.command()
def new(
    kind: Annotated[str, typer.Argument(help="What to write: method.")],
    name: Annotated[str, typer.Argument(help="Its name: lower-case words joined by '-'.")],
    task: Annotated[str, typer.Option(help=f"What it is to answer: {', '.join(scaffold.TEMPLATES)}.")] = "verification",
    into: Annotated[Path, typer.Option(help="Where its folder NAME goes.")] = Path(),
    hub: Annotated[bool, typer.Option("--hub", help="Ready to be published to the Hugging Face Hub.")] = False,
) -> None:
    """Write a plugin that works and passes its checks, to change it."""
    if kind != "method":
        raise UnknownName.of("kind of plugin", kind, ["method"], "facebench new --help")
    files = scaffold.new_method(name, task, into, hub)
    console = Console(soft_wrap=True, highlight=False)
    for path in files:
        console.print(escape(str(path)))
    console.print(f"[dim]Next: facebench check {escape(str(files[0].parent))}[/]")


@app.command()
def pin(
    repo: Annotated[list[str] | None, typer.Argument(metavar="OWNER/NAME", help="A repository of the Hub.")] = None,
    revision: Annotated[str, typer.Option(help="A branch, tag or commit.")] = "main",
    kind: Annotated[str, typer.Option(help="model (a plugin, or weights) or dataset.")] = "model",
    update: Annotated[bool, typer.Option("--update", help="Look at where its branch is now.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Agree to it no longer.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Fail where a pin is not what was agreed to.")] = False,
    user: Annotated[bool, typer.Option("--user", help="For all of the user's projects, not this folder's.")] = False,
    allow_pickle: Annotated[
        bool, typer.Option("--allow-pickle", help="Take weights that are pickles, where the card says why.")
    ] = False,
    max_size: Annotated[str, typer.Option(help="Most that code and weights may declare.")] = "4GB",
    yes: Annotated[bool, typer.Option("--yes", help="Agree without being asked.")] = False,
    as_json: Json = False,
) -> None:
    """Agree to a repository of the Hub at one commit, after looking at it; none of its code is run."""
    if check:
        _check_pins(repo or [], as_json)
        return
    if not repo:
        raise WrongUse("A pin was asked for.", "No repository was named.", "facebench pin OWNER/NAME")
    most = _bytes("--max-size", max_size)
    for one in repo:
        if remove:
            _stderr().print(f"{one} is no longer in {escape(str(pins.remove(one, kind)))}.", soft_wrap=True)
            continue
        if update:
            found = pinning.inspect_update(one, kind, most, allow_pickle)
        else:
            found = pinning.inspect(one, revision, kind, most, allow_pickle)
        agreement.show_inspection(found)
        if as_json:
            _print_json(pinning.as_data(found))
        if agreement.agreed("Pin it?", yes):
            place = pinning.pin(found, pinning.place_of(one, kind, user))
            _stderr().print(f"{found.pinned.pin} is in {escape(str(place))}.", soft_wrap=True, highlight=False)


def _check_pins(repos: list[str], as_json: bool) -> None:
    def moved(text: str) -> None:
        _stderr().print(escape(text), soft_wrap=True, highlight=False)

    rows = list(pinning.check(repos, moved))
    if as_json:
        _print_json([{"pin": which, "fault": fault} for which, fault in rows])
    else:
        for which, fault in rows:
            mark = f"[red]fault[/]  {which}: {escape(fault)}" if fault else f"[green]holds[/]  {which}"
            Console(soft_wrap=True, highlight=False).print(mark)
    if any(fault for _, fault in rows):
        raise typer.Exit(1)


@app.command()
def clean(
    folder: Annotated[Path, typer.Argument(help="A run, or a folder of runs.")] = Path("runs"),
    yes: Annotated[bool, typer.Option("--yes", help="Remove without being asked.")] = False,
) -> None:
    """Remove reconstructed faces from runs; results and trials stay."""
    left = cleaning.find(folder)
    console = Console(soft_wrap=True, highlight=False)
    for one in left:
        console.print(f"{escape(str(one.folder))}/  {one.size / 1e6:.1f} MB")
    if left and agreement.agreed(f"Remove {len(left)} folders of reconstructions?", yes):
        cleaning.remove(left)
    elif not left:
        console.print("No reconstructions are there.")


@app.command()
def publish(
    kind: Annotated[
        str, typer.Argument(help="What to send: method, results, pages (made from results there), fits (of a run).")
    ],
    to: Annotated[str, typer.Option(metavar="OWNER/NAME", help="The repository of the Hub.")],
    what: Annotated[str, typer.Argument(help="A plugin's folder; a result, a run, or a folder of them.")] = "",
    models: Models = None,
    pull: Annotated[
        bool | None, typer.Option("--pull/--direct", help="Propose it (results), or write to main (a method).")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Send without being asked.")] = False,
) -> None:
    """Send a method, fitted weights, or results and the pages of their boards, to the Hub, after showing them."""
    if kind not in PUBLISHED:
        raise UnknownName.of("kind of publication", kind, PUBLISHED, "facebench publish --help")
    if (kind == "pages") == bool(what):
        raise WrongUse(f"{kind} was to be published.", f"Given was {what or 'nothing'}.", "facebench publish --help")
    if kind == "pages":
        if agreement.agreed(f"Write the pages of {to} anew?", yes):
            _say_sent(submission.send_pages(to))
        return
    if kind == "results":
        shipment = submission.pack_results(what, to)
    elif kind == "fits":
        shipment = fits.pack_fits(what, to)
    else:
        shipment = publishing.pack_method(what, to, suite.models_root(models))
    agreement.show_files(f"To {to}:", shipment.sizes())
    if not agreement.agreed("Send it?", yes):
        return
    if kind == "results":
        _say_sent(submission.send(shipment, direct=pull is False))
    else:
        send = fits.publish_fits if kind == "fits" else publishing.publish_method
        Console(soft_wrap=True, highlight=False).print(escape(send(shipment, bool(pull))))


def _say_sent(sent: submission.Sent) -> None:
    told = sent.url if sent.files else f"Nothing to do: all of it is at {sent.url}"
    Console(soft_wrap=True, highlight=False).print(escape(told))


@app.command()
def export(
    result: Annotated[Path, typer.Argument(metavar="RESULT|DIR", help="A result, a run, or a folder of them.")],
    form: Annotated[str, typer.Option("--format", help=f"{', '.join(exports.FORMATS)}.")],
    board: Annotated[str, typer.Option(metavar="OWNER/NAME[@COMMIT]", help="Where it is published.")] = "",
    organisation: Annotated[str, typer.Option(help="Who hands it out; by default the board's owner.")] = "",
    relationship: Annotated[
        str, typer.Option(help="What they are to the method's makers: first_party, third_party, …")
    ] = "other",
) -> None:
    """Print a result in a form that others read."""
    asked = exports.Asked(board, organisation, relationship)
    sys.stdout.write(exports.export(result, form, asked))
