# SPDX-License-Identifier: Apache-2.0
"""Runs Yosys commands from stdin in this process: JSON with `read`, `keep`, `parts` and `commands`.

What is kept as a black box is written down with its parameters in `parts` once the design has been read; then the
parameters are taken away, because Yosys refuses them on a module that it cannot elaborate.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Read the request and do it; Yosys ends the process where a command fails."""
    from pyosys import libyosys

    request = json.load(sys.stdin)
    design = libyosys.Design()
    libyosys.run_pass(request["read"], design)
    if request["keep"]:
        parts, names = Path(request["parts"]), dict[str, set[str]]()
        libyosys.run_pass(f"write_json {parts}.all", design)
        modules = json.loads(Path(f"{parts}.all").read_text(encoding="utf-8"))["modules"]
        found = {
            name: {"type": cell["type"], "parameters": cell["parameters"]}
            for module in modules.values()
            for name, cell in module["cells"].items()
            if cell["type"] in request["keep"]
        }
        Path(f"{parts}.all").unlink()
        parts.write_text(json.dumps(found), encoding="utf-8")
        for part in found.values():
            names.setdefault(part["type"], set()).update(part["parameters"])
        for kind, parameters in names.items():
            unset = " ".join(f"-unset {name}" for name in sorted(parameters))
            if unset:
                libyosys.run_pass(f"setparam {unset} t:{kind}", design)
    for command in request["commands"]:
        libyosys.run_pass(command, design)


if __name__ == "__main__":
    main()
