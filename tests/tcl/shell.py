# SPDX-License-Identifier: Apache-2.0
"""Runs Tcl scripts one after the other with arguments: `shell.py script.tcl [script.tcl ...] -- [argument ...]`.

Under tclsh where there is one, else in the interpreter that comes with Python's tkinter, which is the same library.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    """The exit code of the scripts: 0, or 1 after an error."""
    at = sys.argv.index("--")
    scripts, arguments = sys.argv[1:at], sys.argv[at + 1 :]
    words = " ".join("{" + word + "}" for word in arguments)
    lines = [f"set argv [list {words}]", f"set argc {len(arguments)}", *(f"source {{{path}}}" for path in scripts)]
    program = "\n".join(lines) + "\n"
    tclsh = shutil.which("tclsh")
    if tclsh:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "main.tcl"
            path.write_text(program, encoding="utf-8")
            return subprocess.run([tclsh, str(path)], check=False).returncode
    import tkinter

    interpreter = tkinter.Tcl()
    try:
        interpreter.eval(program + "flush stdout\n")
    except tkinter.TclError:
        interpreter.eval("flush stdout")
        print(interpreter.getvar("errorInfo"), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
