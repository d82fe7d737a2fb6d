"""Choose the network interface through which the machines of a training reach each other."""

import fcntl
import ipaddress
import os
import socket
import struct
import subprocess
from pathlib import Path

from mmengine.logging import print_log

SIOCGIFADDR = 0x8915


def choose_interface(master_addr: str) -> str | None:
    """Return the name of the interface that leads to an address.

    On the master, this is the interface that has the address. The result is None if the address
    does not resolve, means this machine's loopback, or has no route.
    """
    try:
        found = socket.getaddrinfo(master_addr, 1, type=socket.SOCK_DGRAM)
    except OSError:
        return None
    names = _addresses()
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as probe:
            try:
                probe.connect(address)  # sends nothing, the system only chooses the route
            except OSError:
                continue
            own = ipaddress.ip_address(probe.getsockname()[0].partition('%')[0])
        if str(own) in names and not own.is_loopback:
            return names[str(own)]
    return None


def set_interface() -> str | None:
    """With several machines, make gloo and NCCL use the interface that leads to MASTER_ADDR.

    Call it before ``init_process_group``. Without it, gloo announces the address of the machine's
    host name, which is 127.0.0.1 or 127.0.1.1 on Debian. If ``GLOO_SOCKET_IFNAME`` is set, this
    does nothing. Return the interface if it was set, else None.
    """
    machines = os.environ.get('GROUP_WORLD_SIZE') or os.environ.get('SLURM_NNODES') or '1'
    if int(machines) < 2 or 'GLOO_SOCKET_IFNAME' in os.environ:
        return None
    master = os.environ.get('MASTER_ADDR') or _first_of_slurm()
    name = choose_interface(master) if master else None
    others = {n for n in _addresses().values() if n != 'lo'}
    if name is None:
        print_log(
            f'{machines} machines, and no network interface was found that leads to '
            f'MASTER_ADDR={master} (this machine has {", ".join(sorted(others)) or "none"}). '
            'If the processes cannot connect, set MASTER_ADDR to an address that the other '
            'machines reach, not a name that means 127.0.0.1; or set GLOO_SOCKET_IFNAME and '
            'NCCL_SOCKET_IFNAME to the name of the interface, on each machine',
            level='WARNING',
        )
        return None
    os.environ['GLOO_SOCKET_IFNAME'] = name
    if 'NCCL_SOCKET_IFNAME' not in os.environ and len(others) > 1:
        os.environ['NCCL_SOCKET_IFNAME'] = f'={name}'  # '=': exactly this name, not a prefix
    print_log(f'network interface {name} leads to MASTER_ADDR={master}; GLOO_SOCKET_IFNAME={name}')
    return name


def _addresses() -> dict[str, str]:
    """Return the interface names by address."""
    names = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(control, SIOCGIFADDR, struct.pack('256s', name.encode()))
            except OSError:  # no IPv4 address
                continue
            names[socket.inet_ntoa(answer[20:24])] = name
    table = Path('/proc/net/if_inet6')
    for line in table.read_text().splitlines() if table.exists() else ():
        digits, *_, name = line.split()
        names[str(ipaddress.IPv6Address(bytes.fromhex(digits)))] = name
    return names


def _first_of_slurm() -> str | None:
    """Return the host that MMEngine's Slurm launcher uses as MASTER_ADDR."""
    command = ['scontrol', 'show', 'hostnames', os.environ.get('SLURM_NODELIST', '')]
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.split()[0]
    except (OSError, IndexError):
        return None
