"""docs/reference.md says what there is, all of it."""

from typer.main import get_command

from chainnode.cli.main import ENTRIES, app
from chainnode.cli.reference import REFERENCE, reference
from genesis.errors import ERROR_CODES


def commands():
    root = get_command(app)
    for name in ENTRIES:
        command = root.load(name)
        children = getattr(command, "commands", None)
        if children:
            yield from ((f"{name} {child}", one) for child, one in children.items())
        else:
            yield name, command


def test_the_reference_is_up_to_date():
    assert REFERENCE.read_text(encoding="utf-8") == reference()


def test_every_command_has_a_heading_and_every_code_a_row():
    text = REFERENCE.read_text(encoding="utf-8")
    for name, _ in commands():
        assert f"# chainnode {name}\n" in text
    for code in ERROR_CODES:
        assert f"| `{code}` |" in text


def test_every_option_and_argument_has_a_help_text():
    for name, command in commands():
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"


def test_every_command_but_run_prints_json():
    for name, command in commands():
        options = {option for parameter in command.params for option in parameter.opts}
        assert ("--json" in options) == (name != "run"), name


def test_every_command_that_talks_to_a_node_takes_home_and_socket():
    for name, command in commands():
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--socket" not in options or "--home" in options, name
