from __future__ import annotations

from support.forked import start

_TELL = "import sys; print('support.preloaded' in sys.modules, file=sys.stderr)"


def test_what_forked_processes_need_is_there_from_the_beginning() -> None:
    process = start(exec, _TELL)
    with process.stream as lines:
        assert lines.read() == "True\n"
    assert process.wait(60) == 0
