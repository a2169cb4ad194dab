"""The systemd unit that runs the daemon: its name and its text. Pure.

Shut in as far as the product allows: it speaks to the engine's socket (which is as good as root, so the walls are against
accidents and foreign code, not against the engine), writes below the root folder, reads keys, and talks to Git servers,
registries and resolvers. Scripts of hooks run within the same walls.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_DEFAULT_ROOT = "/srv/reconciler"

_UNIT = """\
# Made by `reconciler init --systemd`. Changes of your own belong into a drop-in: systemctl edit {name}
# To take it away: systemctl disable --now {name}; rm {path}; systemctl daemon-reload

[Unit]
Description=reconciler: keeps the containers of this host equal to Git ({root})
Wants=network-online.target
After=network-online.target docker.service
RequiresMountsFor={root_quoted}
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart={command}
EnvironmentFile=-/etc/default/reconciler
{identity}
# A crash, a hang or a kill: the next start goes on from whatever is there. Wrong settings (2) are for a person to mend.
Restart=always
RestartSec=2s
RestartPreventExitStatus=2
# The main loop says that it turns; the engine may keep it waiting for a minute before it counts as away.
WatchdogSec=5min
TimeoutStartSec=5min
# The first SIGTERM lets the step under way end; what it started (git, docker compose) is not signalled meanwhile.
KillMode=mixed
TimeoutStopSec=5min

# Only the system's own folders are read-only: hooks and DB_BACKUPS_PATH may name any place for data.
ProtectSystem=full
ProtectHome=read-only
ReadWritePaths={root_quoted}
PrivateTmp={private_tmp}
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
NoNewPrivileges=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
# Owners of files, ports below 1024 (to see whether they are free), and who is connected to a container (/proc/PID/net).
CapabilityBoundingSet=CAP_CHOWN CAP_DAC_OVERRIDE CAP_DAC_READ_SEARCH CAP_FOWNER CAP_KILL CAP_SETGID CAP_SETUID CAP_NET_BIND_SERVICE CAP_SYS_PTRACE

[Install]
WantedBy=multi-user.target
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """``name``: such as ``reconciler.service``."""

    name: str
    text: str


def unit_of(root: Path, program: Path, user: str, folder: Path) -> Unit:
    """``program``: the installed ``reconciler``. ``user``: who owns the root, "root" included. ``folder``: where units lie."""
    name = unit_name(root)
    identity = f"User={_plain(user)}\nSupplementaryGroups=docker\n" if user != "root" else ""
    text = _UNIT.format(
        name=name,
        path=folder / name,
        root=_plain(str(root)),
        root_quoted=_quoted(str(root)),
        command=f"{_quoted(str(program))} --root {_quoted(str(root)).replace('$', '$$')} run",
        identity=identity,
        private_tmp="no" if root.parts[1:2] == ("tmp",) or root.parts[1:3] == ("var", "tmp") else "yes",
    )
    return Unit(name, text)


def unit_name(root: Path) -> str:
    """``reconciler.service`` for the default root; another root has another one."""
    if str(root) == _DEFAULT_ROOT:
        return "reconciler.service"
    return f"reconciler-{re.sub(r'[^a-zA-Z0-9_.-]+', '-', str(root).strip('/'))}.service"


def _plain(text: str) -> str:
    """As it is, where no quotes are taken away: systemd still reads ``%``."""
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    """One word, whatever characters are in it (systemd.syntax(7))."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if re.search(r"[^a-zA-Z0-9_/.:@+,=%-]", text) else escaped
