"""A Debian kernel that GRUB loads behind gdbvisor, from its first instruction."""

from harness import build, paths

from .session import short

CMDLINE = "console=ttyS0 nokaslr"

FIRST_SCREEN = """\
gdbvisor demo: a Debian kernel, debugged from its first instruction by stock gdb
over a serial line. The kernel is Debian's own: it has no debugger and no agent.

    {machine}
    +------------------------------------------------------+
    |   {firmware:>7} -> GRUB -> gdbvisor -> Debian's kernel     |
    |                           |              |           |
    |                          COM2           COM1         |
    +---------------------------|--------------|-----------+
                               gdb        {console}

gdbvisor sits below the kernel and keeps one thing of the machine: COM2. All
else, memory, disks, interrupts and timers, is the kernel's.
"""

HINT = """\
Stopped at the kernel's first instruction; its symbols are loaded. Try:
    hbreak start_kernel    then: continue, bt, stepi, info registers
    Ctrl-C                 stops the running kernel
    monitor help           what gdbvisor itself can be asked
    detach                 lets the kernel run on without gdb
Until rest_init the kernel moves and patches its own code: use hbreak, not break.
The kernel's console, in another terminal:
    tail -f {console}
The machine ends when gdb ends: quit.
"""

COMMANDS = ()  # gdb's, before it attaches


def fits(_machine):
    """Any machine will do."""
    return True


def media(_machine):
    """What the machine boots, as arguments of a Vm."""
    modules = [(paths.KERNEL, CMDLINE), (paths.INITRD, "")]
    return {"boot_args": ["-cdrom", build.hypervisor_iso("gdb=com2 console=com1", modules)]}


def at_entry(session):
    """The stop at the kernel's first instruction."""
    session.step("gdb reads the kernel's symbols and attaches to the serial port. The kernel is "
                 "stopped at its entry: not one instruction has run.")
    stop = session.attach(r"(0x[0-9a-f]+) in \?\? \(\)")
    session.do("x/4i $pc", rf"=> {short(stop[1])}:\s+cl[di]\b")

    session.step("Registers. The CPU is in 32-bit mode without paging (cr0 has PE alone), and rsi "
                 "points to the boot parameters, as the boot protocol of Linux wants it.")
    session.do("info registers rip rsi rsp cs eflags cr0 cr3 efer", r"cr0 +0x11\b")

    session.step("Three instructions, one by one. This code is still the part that unpacks the "
                 "kernel, for which there are no symbols.")
    session.do("stepi", rf"{stop[1][:-1]}1 in")
    session.do("stepi", rf"{stop[1][:-1]}2 in")
    session.do("stepi", rf"{stop[1][:-1]}8 in")


def at_start_kernel(session):
    """A hardware breakpoint in code that is not there yet."""
    session.step("A hardware breakpoint at start_kernel. It waits in a debug register, so it does "
                 "not matter that this code is not unpacked and not even mapped yet.")
    session.to_start_kernel("the kernel to unpack itself")

    session.step("Now in 64-bit mode with paging. Who called, the registers, and which kernel "
                 "this is.")
    session.show_kernel()
    session.do("x/3i $pc", r"=> 0x[0-9a-f]+ <start_kernel>:\s+call +0x\w+ <__fentry__>")

    session.step("Stepping: into the call, back out of it (gdb sets a breakpoint of its own for "
                 "that), and one more.")
    session.do("stepi", r"in __fentry__ \(\)")
    session.do("finish", r"Run till exit from #0 .*\n0x\w+ in start_kernel \(\)")
    session.do("x/2i $pc", r"=> 0x[0-9a-f]+ <start_kernel\+5>")
    session.do("stepi", r"in start_kernel \(\)")
    session.do("info registers rip", r"<start_kernel\+[6-9]>")
    session.do("delete")


def on_variable(session):
    """A watchpoint on a variable that the kernel writes once start_kernel is through."""
    session.step("A watchpoint: who changes system_state? It is 0 (booting) until the scheduler "
                 "works.")
    session.do("watch *(int *)&system_state", r"Hardware watchpoint 2: ")
    session.do("continue", r"Hardware watchpoint 2: [^$]*Old value = 0\nNew value = 1\n",
               what="the kernel to write to system_state")
    session.do("x/i $pc", r"=> 0x[0-9a-f]+ <\w+\+\d+>")
    session.do("delete")


def at_init(session):
    """A software breakpoint where the kernel starts its first program."""
    session.step("A software breakpoint, which the kernel's code does not show, where the kernel "
                 "starts its first program. The first argument is in rdi: the program's name.")
    session.do("break run_init_process", r"Breakpoint 3 at 0xffffffff\w+")
    session.do("continue", r"Breakpoint 3, 0x\w+ in run_init_process \(\)",
               what="the kernel to come to its init")
    session.do("x/s $rdi", r'"/init"')
    session.do("x/2i $pc", r"=> 0x[0-9a-f]+ <run_init_process\+?\d*>:\s+(?!int3)\w+")
    session.do("delete")


def break_in(session, machine):
    """Ctrl-C into the running system."""
    session.step("The kernel runs, its init prints a line each second on the console. In the "
                 "middle of that, Ctrl-C: an NMI, which gets through whatever the kernel does.")
    session.do("continue", r"(Program|Thread \d+) received signal SIGINT", what="the init to say something",
               press=lambda: "INIT: tick 1" in machine.console())
    session.do("bt 3", r"#0 +0x[0-9a-f]+")

    session.step("gdb's threads are CPUs. `monitor` talks to gdbvisor itself. Exits are how often "
                 "the CPU left the guest, and why; timers, interrupts and disks are not "
                 "among them.")
    session.do("info threads", r"\* 1 +Thread 1")
    session.do("monitor help", r"(?m)^exits\b")
    session.do("monitor exits", r"(?m)^total +[1-9]\d*")


def let_go(session, machine):
    """Detaching with a breakpoint left, and what the console says then."""
    session.step("A breakpoint is forgotten in what the init does every second, and gdb detaches. "
                 "Nothing of it may stay behind: the kernel has to go on.")
    session.do("break hrtimer_nanosleep", r"Breakpoint 4 at 0xffffffff\w+")
    session.let_go(machine)


def script(session, machine):
    """The whole session."""
    at_entry(session)
    at_start_kernel(session)
    on_variable(session)
    at_init(session)
    break_in(session, machine)
    let_go(session, machine)
