"""The system-call filter of a candidate, built as classic BPF without a library. x86_64 and aarch64.

A list of what is refused, not of what is allowed: numerical libraries use many calls, and a list of allowed ones breaks
with every new libc. Files are the mount namespace's or Landlock's business; here go the calls that neither covers.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import struct

from .kernel import PR_SET_SECCOMP, check, libc

ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, JUMP_EQUAL, JUMP_GREATER_EQUAL, JUMP_ANY_BIT, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER_AT, ARCHITECTURE_AT, ARGUMENTS_AT = 0, 4, 16
X32_BIT = 0x40000000
ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column in the tables, AUDIT_ARCH

Table = dict[str, tuple[int | None, int | None]]  # name -> number on x86_64, on aarch64 (None: does not exist there)

#: Refused with EPERM.
REFUSED: Table = {
    # other processes' memory and descriptors
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "kcmp": (312, 272),
    # signals that carry data or go through a descriptor
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424),
    # large, often attacked parts of the kernel
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426), "io_uring_register": (427, 427), "keyctl": (250, 219), "add_key": (248, 217),
    "request_key": (249, 218), "fanotify_init": (300, 262), "modify_ldt": (154, None), "memfd_secret": (447, 447),
    "landlock_create_ruleset": (444, 444),
    # namespaces and mounts
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "move_mount": (429, 429),
    "open_tree": (428, 428), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432),
    "fspick": (433, 433), "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264),
    # System V and POSIX queues, which outlive a process
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197), "semget": (64, 190),
    "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192), "msgget": (68, 186), "msgsnd": (69, 189),
    "msgrcv": (70, 188), "msgctl": (71, 187), "mq_open": (240, 180), "mq_unlink": (241, 181), "mq_notify": (244, 184),
    # the machine
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443), "settimeofday": (164, 170),
    "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171), "sethostname": (170, 161),
    "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None), "syslog": (103, 116),
    "vhangup": (153, 58), "personality": (135, 92),
    # scheduling: a candidate that makes itself slow must not look starved by the host
    "setpriority": (141, 140), "sched_setscheduler": (144, 119), "sched_setattr": (314, 274),
    "sched_setparam": (142, 118), "sched_setaffinity": (203, 122), "ioprio_set": (251, 30), "mbind": (237, 235),
    "migrate_pages": (256, 238), "move_pages": (279, 239), "set_mempolicy": (238, 237),
}  # fmt: skip
#: The network; socketpair stays (asyncio needs it). Refused, unless a job has a network of its own.
NETWORK: Table = {
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202),
    "accept4": (288, 242),
}  # fmt: skip
#: Their arguments lie behind a pointer where no filter sees them; callers fall back to the older call.
UNKNOWN: Table = {"clone3": (435, 435), "openat2": (437, 437), "pwritev2": (328, 287)}
#: Succeed without doing anything: waiting for a disk would look like a slow host.
WITHOUT_EFFECT: Table = {
    "fsync": (74, 82), "fdatasync": (75, 83), "sync": (162, 81), "syncfs": (306, 267), "sync_file_range": (277, 84),
    "msync": (26, 227),
}  # fmt: skip
#: Landlock says nothing about a file's mode, owner, dates and attributes: without these a candidate could change ours.
CHANGE_HIDDEN_FILES: Table = {
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None),
    "fchown": (93, 55), "lchown": (94, None), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None),
    "futimesat": (261, None), "utimensat": (280, 88), "setxattr": (188, 5), "lsetxattr": (189, 6),
    "fsetxattr": (190, 7), "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
    "setxattrat": (463, 463), "removexattrat": (466, 466), "file_setattr": (469, 469), "inotify_init": (253, None),
    "inotify_init1": (294, 26), "inotify_add_watch": (254, 27),
}  # fmt: skip
TRUNCATE: Table = {"truncate": (76, 45)}  # covered by Landlock from version 3 on
FORKS: Table = {"clone": (56, 220), "fork": (57, None), "vfork": (58, None)}
OPENS: dict[str, tuple[tuple[int | None, int | None], int]] = {
    "open": ((2, None), 1),
    "openat": ((257, 56), 2),
}  # and which argument holds the flags
#: And which argument holds the mode. A program of a candidate's that runs as its owner would serve whoever starts it.
MODES: dict[str, tuple[tuple[int | None, int | None], int]] = {
    "chmod": ((90, None), 1), "fchmod": ((91, 52), 1), "fchmodat": ((268, 53), 2), "fchmodat2": ((452, 452), 2),
    "creat": ((85, None), 1), "mknod": ((133, None), 1), "mknodat": ((259, 33), 2),
}  # fmt: skip
KILLS: Table = {"kill": (62, 129), "tgkill": (234, 131)}
TKILL, PRLIMIT, IOCTL, FCNTL, SOCKETPAIR = (200, 130), (302, 261), (16, 29), (72, 25), (53, 199)

NEW_NAMESPACE_FLAGS = 0x7E020000
CLONE_VFORK, CLONE_THREAD = 0x4000, 0x10000
SYNCHRONOUS_FLAGS = 0o4010000  # O_SYNC and O_DSYNC
DIRECT_FLAG = {"x86_64": 0o40000, "aarch64": 0o200000}
CREATING_FLAGS = 0o20000100  # O_CREAT and O_TMPFILE
AS_ITS_OWNER = 0o6000  # S_ISUID and S_ISGID
TERMINAL_REQUESTS = (0x5412, 0x541C, 0x8901, 0x8902)  # TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP
OWNER_COMMANDS = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX: they make the kernel send signals for the caller
AF_UNIX = 1
LOOPBACK_FAMILIES = (AF_UNIX, 2, 10, 16)  # IP, IPv6, and netlink, by which libraries list the network's devices

Instruction = tuple[int, int, int, int]


def supported() -> bool:
    """Whether the tables cover this processor."""
    return platform.machine() in ARCHITECTURES


def build(processes: int, own_pid: int | None, landlock_version: int | None, *, loopback: bool = False) -> bytes:
    """The filter. `processes` 1: a further process or thread kills the candidate. `own_pid`: signals only to itself.

    `landlock_version`: hidden files are hidden by Landlock of this version; None: by a mount namespace. `loopback`:
    there is a network namespace, so that sockets lead nowhere else.
    """
    column, architecture = ARCHITECTURES[platform.machine()]
    program: list[Instruction] = [
        (LOAD, 0, 0, ARCHITECTURE_AT),
        (JUMP_EQUAL, 1, 0, architecture),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, NUMBER_AT),
        (JUMP_GREATER_EQUAL, 0, 1, X32_BIT),
        (RETURN, 0, 0, KILL),
    ]
    tables = [(REFUSED, errno.EPERM), (UNKNOWN, errno.ENOSYS), (WITHOUT_EFFECT, 0)]
    tables += [] if loopback else [(NETWORK, errno.EPERM)]
    if landlock_version is not None:
        tables.append((CHANGE_HIDDEN_FILES, errno.EPERM))
        tables += [(TRUNCATE, errno.EPERM)] if landlock_version < 3 else []
    for table, action in tables:
        for numbers in table.values():
            program += _when(numbers[column], [(RETURN, 0, 0, ERRNO | action)])
    for numbers in FORKS.values():
        program += _when(numbers[column], _fork_rule(processes))
    if loopback:
        program += _when(NETWORK["socket"][column], _refuse_unless(0, *LOOPBACK_FAMILIES))
    program += _argument_rules(column, own_pid)
    program.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in program)


def install(program: bytes) -> None:
    """Bind the calling thread, for good. Needs no_new_privs. Raises OSError."""
    code = ctypes.create_string_buffer(program, len(program))
    header = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code)))
    mode_filter = ctypes.c_ulong(2)
    check(libc.prctl(PR_SET_SECCOMP, mode_filter, header, 0, 0), "seccomp")


def _when(number: int | None, rule: list[Instruction]) -> list[Instruction]:
    """Apply a rule, which must end in a return, to one system call."""
    return [] if number is None else [(JUMP_EQUAL, 0, len(rule), number), *rule]


def _refuse_if(test: int, argument: int, values: tuple[int, ...]) -> list[Instruction]:
    """EPERM if one of the values matches the argument's lower half; otherwise allow."""
    tests: list[Instruction] = [(test, len(values) - index, 0, value) for index, value in enumerate(values)]
    refuse = (RETURN, 0, 0, ERRNO | errno.EPERM)
    return [(LOAD, 0, 0, ARGUMENTS_AT + 8 * argument), *tests, (RETURN, 0, 0, ALLOW), refuse]


def _refuse_unless(argument: int, *values: int) -> list[Instruction]:
    """EPERM unless the argument's lower half has one of these values."""
    load = (LOAD, 0, 0, ARGUMENTS_AT + 8 * argument)
    tests: list[Instruction] = [(JUMP_EQUAL, len(values) - index, 0, value) for index, value in enumerate(values)]
    return [load, *tests, (RETURN, 0, 0, ERRNO | errno.EPERM), (RETURN, 0, 0, ALLOW)]


def _fork_rule(processes: int) -> list[Instruction]:
    if processes == 1:
        return [(RETURN, 0, 0, KILL)]
    return [
        (LOAD, 0, 0, ARGUMENTS_AT),
        (JUMP_ANY_BIT, 3, 0, NEW_NAMESPACE_FLAGS),
        (JUMP_ANY_BIT, 0, 1, CLONE_THREAD),
        (JUMP_ANY_BIT, 1, 0, CLONE_VFORK),  # a thread of its own can keep it looking blocked by the host
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, ERRNO | errno.EPERM),
    ]


def _open_rule(argument: int, slow: int) -> list[Instruction]:
    """Its flags, and the mode behind them where it creates a file."""
    return [
        (LOAD, 0, 0, ARGUMENTS_AT + 8 * argument),
        (JUMP_ANY_BIT, 4, 0, slow),
        (JUMP_ANY_BIT, 0, 2, CREATING_FLAGS),
        (LOAD, 0, 0, ARGUMENTS_AT + 8 * (argument + 1)),
        (JUMP_ANY_BIT, 1, 0, AS_ITS_OWNER),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, ERRNO | errno.EPERM),
    ]


def _argument_rules(column: int, own_pid: int | None) -> list[Instruction]:
    """The calls of which only some uses are refused."""
    program = _when(PRLIMIT[column], _refuse_unless(0, 0))
    program += _when(SOCKETPAIR[column], _refuse_unless(0, AF_UNIX))
    program += _when(IOCTL[column], _refuse_if(JUMP_EQUAL, 1, TERMINAL_REQUESTS))
    program += _when(FCNTL[column], _refuse_if(JUMP_EQUAL, 1, OWNER_COMMANDS))
    slow = SYNCHRONOUS_FLAGS | DIRECT_FLAG[platform.machine()]
    for opens, argument in OPENS.values():
        program += _when(opens[column], _open_rule(argument, slow))
    for numbers, argument in MODES.values():
        program += _when(numbers[column], _refuse_if(JUMP_ANY_BIT, argument, (AS_ITS_OWNER,)))
    if own_pid is not None:
        for numbers in KILLS.values():
            program += _when(numbers[column], _refuse_unless(0, own_pid))
        program += _when(TKILL[column], [(RETURN, 0, 0, ERRNO | errno.EPERM)])
    return program
